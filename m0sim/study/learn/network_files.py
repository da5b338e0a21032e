"""One door to networks: a name that m0sim knows, a description in TOML, a backbone in .npz, or a Python object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from m0sim.errors import UsageError
from m0sim.study.learn import network_limits, network_toml, networks, pretrain
from m0sim.study.learn.networks import Network
from m0sim.study.learn.pretrain import BUNDLED, Backbone

_ENDINGS = (".toml", ".npz", ".onnx")


@dataclass(frozen=True)
class Found:
    """A network and, where there is one, the backbone that a run starts from."""

    network: Network
    backbone: Backbone | None
    file: str = ""
    """The name of the backbone's file; empty where it is bundled, was made in Python, or where there is none."""

    @property
    def name(self) -> str:
        """Of the network."""
        return self.network.name

    @property
    def start(self) -> Backbone:
        """The backbone. Raises UsageError, one line, where there is none."""
        if self.backbone is not None:
            return self.backbone
        if network_toml.is_bundled(self.network):
            return pretrain.bundled(self.name)  # says that there is none
        raise UsageError(
            f"{self.name} has no backbone to start from: make one with m0sim pretrain --network FILE.toml "
            "-o backbone.npz, then give --network backbone.npz"
        )

    def identity(self) -> dict[str, Any]:
        """What a run is known by besides the network's name, as JSON values; nothing of a bundled backbone."""
        sha256 = self.start.sha256
        is_plain = not self.file and self.name in BUNDLED and sha256 == _bundled(self.name).sha256
        return {} if is_plain else {"backbone_sha256": sha256}


Given = str | Path | Network | Backbone | Found
"""How a caller may name a network: its name, the path of a file, or what was read or made."""


def of(given: Given) -> Found:
    """The network and its backbone. Raises UsageError, one line, for one that does not exist, or that nothing runs."""
    match given:
        case Found():
            return given
        case Backbone():
            return Found(_checked(given.network), given)
        case Network():
            return Found(_checked(given), bundled_for(given))
        case _:
            return find(given)


def find(typed: str | Path) -> Found:
    """What was typed: NAME, FILE.toml or FILE.npz. Raises as `of`."""
    name, path = str(typed), Path(typed)
    match path.suffix.lower() if is_file(typed) else "":
        case ".toml":
            return of(network_toml.read(path))
        case ".npz":
            return replace(of(pretrain.read(path)), file=path.name)
        case ".onnx":
            raise UsageError(f"{name}: make a backbone of it first: m0sim import {name} --data DATA -o backbone.npz")
        case _ if path.exists() and name not in networks.NETWORKS:
            raise UsageError(f"{name}: a network is a name ({', '.join(networks.NETWORKS)}), a FILE.toml or a FILE.npz")
        case _:
            return of(networks.get(name))


def is_file(typed: str | Path) -> bool:
    """Whether what was typed names a file."""
    return str(typed) not in networks.NETWORKS and Path(typed).suffix.lower() in _ENDINGS


def find_in(folder: Path, typed: str) -> Found:
    """The same as `find`, of what a file says in `folder`."""
    return find(folder / typed if is_file(typed) else typed)


def with_backbone(given: Given, file: Path | None) -> Found:
    """The network, which starts from the backbone in `file` where that is given; `given` may be that file itself.

    Raises UsageError, one line, for the backbone of another network.
    """
    if file is None:
        return of(given)
    backbone = pretrain.read(file)
    network = backbone.network if given == file else of(given).network
    if backbone.network != network:
        its, wanted = backbone.network.name, network.name
        raise UsageError(
            f"{file} is a backbone of {its}, not of {'another network of that name' if its == wanted else wanted}"
        )
    return replace(of(backbone), file=file.name)


def bundled_for(network: Network) -> Backbone | None:
    """The backbone that m0sim brings for a network, None where it brings none."""
    return _bundled(network.name) if network.name in BUNDLED and network_toml.is_bundled(network) else None


def _checked(network: Network) -> Network:
    try:
        network_limits.check(network)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return network


@lru_cache(maxsize=2)
def _bundled(name: str) -> Backbone:
    return pretrain.bundled(name)
