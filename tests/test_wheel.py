"""The installed package finds its configs from any folder, and has its data."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_wheel_carries_configs_and_data(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "from xclr_lightning.config_files import find_config; print(find_config('objective/simclr.yaml'))"
    path = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); "
    found = subprocess.run(
        [sys.executable, "-c", path + code], check=True, capture_output=True, text=True, cwd=tmp_path
    ).stdout.strip()
    for data in ("imagenet_hypernyms.csv", "LICENSE-WordNet.txt"):
        place = Path("xclr_lightning") / "graphs" / "data" / data
        assert (tmp_path / "site" / place).read_bytes() == (ROOT / place).read_bytes()
    assert found == str(tmp_path / "site" / "xclr_lightning" / "configs" / "objective" / "simclr.yaml")
