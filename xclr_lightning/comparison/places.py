"""Places that cannot be written to: files, and folders with a run by other settings."""

from pathlib import Path
from typing import Any

import yaml

from xclr_lightning.errors import UserError
from xclr_lightning.run_config import flat, run_configs


def check_folder(folder: Path, option: str) -> None:
    """Refuse a place where no folder can be, before there is something to write.

    Raises:
        UserError: It, or what it should lie in, is a file.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise UserError(f"{there} is a file, no folder: choose another {option}")


def check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse a folder with a run by other settings.

    Args:
        folder: It may be missing.
        settings: A whole config, as ``config.yaml`` has it.

    Raises:
        UserError: There is one, or what is there cannot be read.
    """
    configs = run_configs(folder)
    if not configs:
        return
    try:
        # The first: what goes on has its checkpoint in its config.
        earlier = flat(yaml.safe_load(configs[0].read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{configs[0]} cannot be read: {str(error).splitlines()[0]}; remove its folder") from error
    if changed := differing(earlier, flat(settings)):
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UserError(
            f"{folder} has a run by other settings ({', '.join(changed[:3])}{more}): choose another --run_dir, or "
            "remove it"
        )


def differing(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Settings that are not what they were.

    Example:
        >>> differing({"model.lr": 0.1, "data.label": None}, {"model.lr": 0.2, "data.label": None})
        ['model.lr 0.1, now 0.2']
    """
    return [
        f"{key} {earlier.get(key, 'not set')}, now {now.get(key, 'not set')}"
        for key in dict.fromkeys([*now, *earlier])
        if (key in earlier, earlier.get(key)) != (key in now, now.get(key))
    ]
