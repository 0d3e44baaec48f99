"""Configs by name: a path, or one that ships with the package."""

from pathlib import Path

from xclr_lightning.errors import UserError, did_you_mean

_HERE = Path(__file__).parent


def shipped_configs() -> dict[str, Path]:
    """Name without ``.yaml``, such as ``demo`` or ``objective/simclr`` → file."""
    # Beside the package in a checkout, inside it in a wheel.
    root = next(folder for folder in (_HERE / "configs", _HERE.parent / "configs") if folder.is_dir())
    return {file.relative_to(root).with_suffix("").as_posix(): file for file in sorted(root.rglob("*.yaml"))}


def find_config(name: str) -> Path:
    """Find a config by path, else among the shipped ones, with or without ``.yaml``.

    Raises:
        UserError: There is none; the message lists the shipped names.
    """
    for path in (Path(name).expanduser(), Path(f"{name}.yaml").expanduser()):
        if path.is_file():
            return path.absolute()
    shipped = shipped_configs()
    plain = name.removesuffix(".yaml")
    if plain in shipped:
        return shipped[plain]
    raise UserError(
        f"no config {name!r}: not a file, and not one of the shipped {', '.join(shipped)}{did_you_mean(plain, shipped)}"
    )


def resolve_config_options(arguments: list[str]) -> list[str]:
    """Replace the value of each ``--config`` (or ``-c``) by the path of the file it names."""
    resolved: list[str] = []
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if resolved and resolved[-1] in ("--config", "-c"):
            resolved[-1] = "--config"
            resolved.append(str(find_config(argument)))
        elif option in ("--config", "-c") and equals:
            resolved += ["--config", str(find_config(value))]
        else:
            resolved.append(argument)
    if resolved and resolved[-1] in ("--config", "-c"):
        raise UserError(f"--config wants a name: a file, or one of the shipped {', '.join(shipped_configs())}")
    return resolved
