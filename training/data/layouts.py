"""How a folder of pictures is laid out: which of its folders are splits, and which are classes.

Read are PATH/CLASS/…, PATH/SPLIT/CLASS/… and PATH/CLASS/SPLIT/…, with splits named as archives name
them (Train, training_set, seg_val), and each of these inside a folder that stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interpret.model.picture_files import Folder, LeftOut, as_text
from training.config.errors import DataError
from training.data.class_names import class_name, name_key

ALL = "all"  # the part that a folder without splits is, when it is only measured on
NO_CLASS = "pictures in no class folder"
NO_LABELS = "pictures of a split without class folders"
NO_SPLIT = "pictures beside the splits"

SPLITS = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "validate", "valset"), "valid"),
    **dict.fromkeys(("test", "testing", "testset"), "test"),
}
_FILLERS = {"set", "data", "dataset", "split", "folder"} | {
    *("image", "images", "imgs", "img", "picture", "pictures", "photo", "photos", "pics"),
}
_UNLABELLED = SPLITS.keys() | {"unknown", "unlabelled", "unlabeled", "all"}


@dataclass
class Layout:
    """The picture files of each split and class, what is left out of them, and what to tell."""

    parts: dict[str, dict[str, list[Path]]] = field(default_factory=dict)
    class_folders: dict[str, Path] = field(default_factory=dict)  # of the training pictures
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, files: Iterable[Path], reason: str) -> None:
        """Count files as left out."""
        self.left_out += [LeftOut(file, reason) for file in files]


def read_layout(root: Folder, *, to_train: bool) -> Layout:
    """The layout of a folder that was scanned.

    Raises DataError for one that can be meant in two ways. `to_train` also raises it for one that
    cannot be trained on; without it any split and any number of classes are enough.
    """
    layout = Layout(left_out=root.all_left_out())
    top = _inner(root)
    if top is not root:
        layout.notes.append(f"the pictures lie in {top.path.relative_to(root.path)}")
        above = (folder for folder in root.walk() if folder.path in top.path.parents)
        layout.leave_out((file for folder in above for file in folder.pictures), NO_CLASS)
    splits = _splits_among(top)
    if any(_labelled(folder) for folders in splits.values() for folder in folders):
        _read_splits(layout, top, splits, to_train)
    else:
        _read_flat(layout, top, splits, to_train)
    return layout


# --- splits with classes in them -----------------------------------------------------------------


def _read_splits(
    layout: Layout, top: Folder, splits: dict[str, list[Folder]], to_train: bool
) -> None:
    chosen = {split: _only_one(top, split, folders) for split, folders in splits.items()}
    others = _others(top, splits)
    if to_train and not ("train" in chosen and _labelled(chosen["train"])):
        named = ", ".join(folder.name for folder in chosen.values())
        raise DataError(
            f"{_at(top)}: has {named}, but no train folder with classes: put the class "
            "folders of the training pictures into one called train"
        )
    if list(chosen) == ["train"] and others:
        raise DataError(
            f"{_at(top)}: is {chosen['train'].name} the train split, or a class like "
            f"{others[0].name}? Move {others[0].name} away if it is the split; rename "
            f"{chosen['train'].name} if it is a class"
        )
    for folder in others:
        layout.leave_out(folder.all_pictures(), NO_SPLIT)
        layout.notes.append(f"{folder.name}: no split, left out")
    layout.leave_out(top.pictures, NO_CLASS)
    for split in sorted(chosen, key=lambda name: name != "train"):  # the train split first
        _read_split(layout, split, chosen[split], to_train)
    layout.parts = dict(sorted(layout.parts.items()))


def _only_one(top: Folder, split: str, folders: list[Folder]) -> Folder:
    """The one of a split's folders that holds pictures."""
    full = [folder for folder in folders if folder.has_pictures()]
    if len(full) > 1:
        names = " and ".join(folder.name for folder in full)
        raise DataError(
            f"{_at(top)}: {names} are both the {split} split: put their pictures together, or "
            "move one of them away"
        )
    return full[0] if full else folders[0]


def _read_split(layout: Layout, split: str, folder: Folder, to_train: bool) -> None:
    known = {name_key(name): name for name in layout.parts.get("train", {})}
    root = _inner(folder, known)
    if not root.has_pictures():
        layout.notes.append(f"{folder.name}: no picture in it, so it is no {split} split")
        return
    classes = [child for child in root.folders if child.has_pictures()]
    # One folder may hold all pictures of a split, as in test/images, and tell no class.
    wrapped = len(classes) == 1 and name_key(classes[0].name) not in known
    if not classes or (wrapped and set(words_of(classes[0].name)) <= _UNLABELLED):
        pictures = folder.all_pictures()
        layout.leave_out(pictures, NO_LABELS)
        layout.notes.append(
            f"{folder.name}: {len(pictures):,} pictures without class folders, so it is no "
            f"{split} split"
        )
        return
    layout.leave_out(root.pictures, NO_CLASS)
    part = layout.parts[split] = {}
    for child, name in _named(root, strict=to_train and split == "train").items():
        own = name
        if known and to_train:
            found = known.get(name_key(name))
            if found is None:
                raise DataError(
                    f"{_at(child)}: a class that the train folder does not have: move it away, "
                    f"or give it training pictures"
                )
            own = found
            if found != name:
                layout.notes.append(f"{folder.name}/{child.name} is read as the class {found}")
        part[own] = child.all_pictures()
        if split == "train" or not to_train:
            layout.class_folders.setdefault(own, child.path)


# --- classes, with splits in them or none --------------------------------------------------------


def _read_flat(
    layout: Layout, top: Folder, splits: dict[str, list[Folder]], to_train: bool
) -> None:
    others = _others(top, splits)
    bare = {s: f for s, folders in splits.items() for f in folders if f.pictures}
    if bare and not others:
        folder = bare.get("train") or next(iter(bare.values()))
        raise DataError(
            f"{_at(folder)}: pictures, but no class folders: sort them into "
            f"{folder.name}/CLASS/PICTURE"
        )
    if len(bare) > 1 or (to_train and bare and "train" not in bare):
        folder = next(folder for split, folder in bare.items() if split != "train")
        raise DataError(
            f"{_at(folder)}: a class, or a split without classes? Rename it if it is a class; "
            "move it away if it is a split"
        )
    empty = [f for folders in splits.values() for f in folders if not f.has_pictures()]
    layout.notes += [f"{folder.name}: no picture in it, left out" for folder in empty]
    layout.leave_out(top.pictures, NO_CLASS)
    inside = _splits_in_classes(top, others) if not bare else None
    named = _named(top, strict=to_train, without=empty)
    if inside is not None:
        for folder, name in named.items():
            layout.class_folders[name] = folder.path
            for split, part in inside[folder.name].items():
                layout.parts.setdefault(split, {})[name] = part.all_pictures()
        return
    if not named and top.pictures:
        raise DataError(
            f"{_at(top)}: {len(top.pictures):,} pictures, but no class folders: sort them into "
            "CLASS/PICTURE, a folder for each class"
        )
    layout.class_folders = {name: folder.path for folder, name in named.items()}
    layout.parts["train" if to_train else ALL] = {
        name: folder.all_pictures() for folder, name in named.items()
    }


def _splits_in_classes(top: Folder, folders: list[Folder]) -> dict[str, dict[str, Folder]] | None:
    """The splits in each class by its name, where every class has nothing but splits in it."""
    found: dict[str, dict[str, Folder]] = {}
    for folder in folders:
        inside = [child for child in folder.folders if child.has_pictures()]
        splits = {split: c for c in inside if (split := split_of(c.name)) is not None}
        if folder.pictures or not inside or len(splits) < len(inside):
            return None
        found[folder.name] = splits
    names = {split for splits in found.values() for split in splits}
    if "train" not in names or len(names) < 2:
        return None
    if any(_labelled(folder) for splits in found.values() for folder in splits.values()):
        raise DataError(
            f"{_at(top)}: {' and '.join(list(found)[:2])} look like data sets of their own, with "
            "splits and classes: name one of them"
        )
    return found


# --- what folders are by their names and what they hold ------------------------------------------


def _named(root: Folder, *, strict: bool, without: Sequence[Folder] = ()) -> dict[Folder, str]:
    """The class folders in `root` with their classes' names, sorted by these.

    A folder with files but without pictures is no class. `strict` raises DataError for one that is
    empty, or holds pictures of formats that are not read: it was meant as one.
    """
    named: dict[Folder, str] = {}
    first: dict[str, Folder] = {}  # by what spellings of one name share
    for child in root.folders:
        if child in without:
            continue
        if not child.has_pictures():
            if strict and _blank(child):
                raise DataError(
                    f"{_at(child)}: no readable picture in the folder: add some, or delete it"
                )
            continue
        name = class_name(child.path)
        other = first.setdefault(name_key(name), child)
        if other is not child:
            raise DataError(
                f"{_at(root)}: {other.name!r} and {child.name!r} differ only in how they are "
                "written: put their pictures into one folder, or rename one"
            )
        named[child] = name
    return dict(sorted(named.items(), key=lambda item: item[1]))


def _blank(folder: Folder) -> bool:
    """Whether a folder without pictures looks as if it was meant to hold some."""
    return all(below.unread or not below.left_out for below in folder.walk())


def _labelled(folder: Folder) -> bool:
    return any(child.has_pictures() for child in folder.folders)


def _others(top: Folder, splits: dict[str, list[Folder]]) -> list[Folder]:
    named = {folder for folders in splits.values() for folder in folders}
    return [f for f in top.folders if f.has_pictures() and f not in named]


def _inner(folder: Folder, known: Container[str] = ()) -> Folder:
    """The folder that a nest of folders, each alone in the one around it, leads to."""
    while True:
        full = [child for child in folder.folders if child.has_pictures() or _blank(child)]
        if len(full) != 1 or (folder.pictures and len(full[0].folders) < 2):
            return folder
        (only,) = full
        inside = sum(child.has_pictures() for child in only.folders)
        if inside < (2 if only.pictures else 1) or name_key(only.name) in known:
            return folder
        if split_of(only.name) and only.name != folder.name:
            return folder
        folder = only


def _splits_among(top: Folder) -> dict[str, list[Folder]]:
    """The folders named as splits: train, or, in the same way, seg_train and seg_test."""
    groups: dict[tuple[str, ...], dict[str, list[Folder]]] = {}
    for folder in top.folders:
        words = words_of(folder.name)
        for split, rest in ((words[-1:], words[:-1]), (words[:1], words[1:])):
            if split and split[0] in SPLITS:
                group = groups.setdefault(tuple(rest), {})
                group.setdefault(SPLITS[split[0]], []).append(folder)
                break
    if () in groups:
        return groups[()]
    complete = [
        group
        for group in groups.values()
        if "train" in group and len(group) > 1 and all(map(_labelled, group["train"]))
    ]
    return complete[0] if len(complete) == 1 else {}


def split_of(name: str) -> str | None:
    """The split that a name means by itself."""
    words = words_of(name)
    return SPLITS.get(words[0]) if len(words) == 1 else None


def words_of(name: str) -> list[str]:
    """The words of a folder's name that tell something: TrainingSet and training_set are one."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    return [word for word in re.findall(r"[^\W_]+", parted) if word not in _FILLERS]


def _at(folder: Folder) -> str:
    return as_text(folder.path)
