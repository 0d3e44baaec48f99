"""What is left out is counted by its cause, whatever the pictures are called."""

from pathlib import Path

import pytest
from PIL import Image

from xclr_lightning.data import ImageFolder
from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.skipped import causes


def test_causes_of_pictures_whose_names_have_colons(tmp_path: Path) -> None:
    folder = tmp_path / "Holidays: summer" / "2: by the sea"
    folder.mkdir(parents=True)
    (folder / "a: b.png").write_bytes(b"no picture")
    (folder / "b.jpg").write_bytes(b"\xff\xd8: OSError: ")
    Image.new("F", (4, 4)).save(folder / "c.tiff")
    (folder / "d.png").symlink_to(folder / "gone: OSError: e.png")
    source, said = ImageFolder(tmp_path), []
    for number in range(4):
        with pytest.raises(BadImage) as error:
            source.image(number)
        said.append(str(error.value))
    floats = "its pixels are floats, whose range is not known"
    assert causes(said) == {"UnidentifiedImageError": 2, floats: 1, "FileNotFoundError": 1}
