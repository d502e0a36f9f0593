#!/usr/bin/python3
"""Make an image for `ctr image import` of a root file system.

    oci-image.py ROOTFS.tar NAME OUTPUT.tar

One layer, in the layout of the OCI image specification (image-layout.md, manifest.md, config.md).
"""
import hashlib
import io
import json
import sys
import tarfile

MEDIA = "application/vnd.oci.image."


def describe(kind, data):
    """A descriptor of a blob."""
    return {"mediaType": MEDIA + kind, "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}


def main(rootfs, name, output):
    with open(rootfs, "rb") as file:
        layer = file.read()
    tar_layer = describe("layer.v1.tar", layer)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"], "Env": ["PATH=/usr/bin:/bin"]},
                         "rootfs": {"type": "layers", "diff_ids": [tar_layer["digest"]]}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
                           "config": describe("config.v1+json", config), "layers": [tar_layer]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [
        {**describe("manifest.v1+json", manifest), "annotations": {"io.containerd.image.name": name}}]}).encode()
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index}
    for data in layer, config, manifest:
        files["blobs/sha256/" + hashlib.sha256(data).hexdigest()] = data
    with tarfile.open(output, "w") as tar:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


main(*sys.argv[1:])
