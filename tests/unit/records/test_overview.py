"""Overviews: roles of layers, history, base."""

from __future__ import annotations

import json

from docker_envs.oci.config import ImageConfig
from docker_envs.oci.edit import append_layer, with_annotations, with_config
from docker_envs.records.overview import BaseImage, Role, look_into
from tests.recorded_images import with_record
from tests.unit.images import make_image, make_layer, text_layer
from tests.unit.records.test_inventory import conda, record_of

BASE, OWN = text_layer("base"), make_layer(conda("a"))
RECORDED = with_record(make_image(BASE, OWN), record_of((OWN, ["a"])))


def test_roles_of_layers() -> None:
    image = append_layer(RECORDED, text_layer("more"), history={})
    found = look_into(image)
    assert [layer.role for layer in found.layers] == [Role.BASE, Role.ENVIRONMENT, Role.RECORD, Role.OTHER]
    assert [layer.read for layer in found.layers] == [False, True, True, False]
    assert [layer.packages for layer in found.layers] == [(), ("a",), (), ()]
    assert found.unread == (0, 3)
    assert look_into(image, everything=True).unread == ()
    assert {layer.role for layer in look_into(make_image(BASE, OWN)).layers} == {Role.OTHER}


def test_environments() -> None:
    (environment,) = look_into(RECORDED).environments
    assert (environment.prefix, environment.packages) == ("/opt/conda", 1)
    assert environment.size == OWN.size + RECORDED.layers[-1].size


def test_history() -> None:
    document = {
        **make_image(BASE, OWN).config.document,
        "history": [
            {"created": "2024", "created_by": "ADD  x\n y"},
            {"created_by": "CMD z", "empty_layer": True},
            {"comment": "buildkit", "created": 7},
        ],
    }
    image = with_config(make_image(BASE, OWN), ImageConfig.make(document))
    found = look_into(image)
    assert [(step.created, step.created_by, step.comment, step.layer) for step in found.history] == [
        ("2024", "ADD x y", "", 0),
        ("", "CMD z", "", None),
        ("", "", "buildkit", 1),
    ]
    assert [layer.created_by for layer in found.layers] == ["ADD x y", ""]
    short = with_config(image, ImageConfig.make({**document, "history": document["history"][:1]}))
    assert [step.layer for step in look_into(short).history] == [None]


def test_base() -> None:
    assert look_into(RECORDED).base is None
    labels = {"org.opencontainers.image.base.name": "debian", "org.opencontainers.image.base.digest": "sha256:a"}
    named = with_config(RECORDED, RECORDED.config.with_labels(labels))
    assert look_into(named).base == BaseImage(name="debian", digest="sha256:a")
    renamed = with_annotations(named, {"org.opencontainers.image.base.name": "ubuntu"})
    assert look_into(renamed).base == BaseImage(name="ubuntu", digest="sha256:a")


def test_it_is_json() -> None:
    found = look_into(RECORDED, names=["x"])
    assert json.loads(json.dumps(found.to_json()))["names"] == ["x"]
    assert found.platforms == ("linux/amd64",)


def test_packages_of_a_layer_the_largest_first() -> None:
    assert [each.name for each in look_into(RECORDED).in_layer()[1]] == ["a"]
    two = with_record(make_image(OWN), record_of((OWN, ["b", "a"])))
    assert [each.name for each in look_into(two).in_layer()[0]] == ["a", "b"]
