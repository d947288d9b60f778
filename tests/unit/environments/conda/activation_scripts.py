"""What packages do when they are activated, rewritten from what they are documented to do, and what comes out.

`@` stands for the prefix. Scripts that are not `posix` need Bash.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: The environment before, `PATH` and `CONDA_PREFIX` aside.
BASE = {"LANG": "C.UTF-8", "EMPTY": ""}


@dataclass(frozen=True)
class Script:
    """One activation script, the environment and files it meets, and what it must do."""

    name: str
    text: str
    expected: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    posix: bool = True


GDAL = """#!/bin/bash
# Keep what was set, so that deactivation can bring it back
if [[ -n "$GDAL_DATA" ]]; then
    export _CONDA_SET_GDAL_DATA=$GDAL_DATA
fi
if [[ -n "$GDAL_DRIVER_PATH" ]]; then
    export _CONDA_SET_GDAL_DRIVER_PATH=$GDAL_DRIVER_PATH
fi
if [ -d $CONDA_PREFIX/share/gdal ]; then
    export GDAL_DATA=$CONDA_PREFIX/share/gdal
    export GDAL_DRIVER_PATH=$CONDA_PREFIX/lib/gdalplugins
elif [ -d $CONDA_PREFIX/Library/share/gdal ]; then
    export GDAL_DATA=$CONDA_PREFIX/Library/share/gdal
    export GDAL_DRIVER_PATH=$CONDA_PREFIX/Library/lib/gdalplugins
fi
if [[ ! -d $GDAL_DRIVER_PATH ]]; then
    unset GDAL_DRIVER_PATH
fi
export CPL_ZIP_ENCODING=UTF-8
"""
PROJ = """#!/bin/sh
if [ -n "${PROJ_DATA:-}" ]; then
    export _CONDA_SET_PROJ_DATA="${PROJ_DATA}"
fi
if [ -d "${CONDA_PREFIX}/share/proj" ]; then
    export PROJ_DATA="${CONDA_PREFIX}/share/proj"
elif [ -d "${CONDA_PREFIX}/Library/share/proj" ]; then
    export PROJ_DATA="${CONDA_PREFIX}/Library/share/proj"
fi
export PROJ_LIB="$PROJ_DATA"
if [ -f "${CONDA_PREFIX}/share/proj/copyright_and_licenses.csv" ]; then
    # The grids are here, the network is not needed
    export PROJ_NETWORK="OFF"
else
    export PROJ_NETWORK="ON"
fi
"""
OPENJDK = """#!/bin/bash
export JAVA_HOME_CONDA_BACKUP=${JAVA_HOME:-}
export JAVA_HOME=$CONDA_PREFIX/lib/jvm
export JAVA_LD_LIBRARY_PATH_BACKUP=${JAVA_LD_LIBRARY_PATH:-}
kernel=$(uname -s | tr '[:upper:]' '[:lower:]')
if [[ $kernel == 'darwin' ]]; then
    export JAVA_LD_LIBRARY_PATH=$JAVA_HOME/lib/jli
else
    export JAVA_LD_LIBRARY_PATH=$JAVA_HOME/lib/server
fi
"""
CA_CERTIFICATES = """
if [[ -z "${SSL_CERT_FILE:-}" ]]; then
    export SSL_CERT_FILE="${CONDA_PREFIX}/ssl/cacert.pem"
    export __CONDA_OPENSLL_CERT_FILE_SET="1"
fi
if [[ -z "${SSL_CERT_DIR:-}" && -d "${CONDA_PREFIX}/ssl/certs" ]]
then
    export SSL_CERT_DIR="${CONDA_PREFIX}/ssl/certs"
fi
"""
CUDA_NVCC = """#!/bin/bash
ERROR=false
[[ "linux-64" == "linux-64" ]] && targets="targets/x86_64-linux"
[[ "linux-64" == "linux-aarch64" ]] && targets="targets/sbsa-linux"
CUDA_CFLAGS=""
if [ "${CONDA_BUILD:-0}" = "1" ]; then
    CUDA_CFLAGS="${CUDA_CFLAGS} -I${PREFIX}/${targets}/include"
    export CMAKE_ARGS="${CMAKE_ARGS} $(some command)"
else
    CUDA_CFLAGS="${CUDA_CFLAGS} -I${CONDA_PREFIX}/${targets}/include"
fi
export CFLAGS="${CFLAGS} ${CUDA_CFLAGS}"
if [ -z "${CXX+x}" ]; then
    echo 'cuda-nvcc: no `cxx` compiler here' >&2
    ERROR=true
else
    if [[ ! -z "${NVCC_PREPEND_FLAGS+x}" ]]
    then
        export NVCC_PREPEND_FLAGS_BACKUP="${NVCC_PREPEND_FLAGS}"
    fi
    NVCC_PREPEND_FLAGS="${NVCC_PREPEND_FLAGS} -ccbin=${CXX}"
    export NVCC_PREPEND_FLAGS
fi
! $ERROR
"""
LIBXML2 = """#!/bin/sh
if test -n "${XML_CATALOG_FILES:-}"; then
    before_libxml2="${XML_CATALOG_FILES}"
    XML_CATALOG_FILES="${XML_CATALOG_FILES} "
else
    before_libxml2=""
    XML_CATALOG_FILES=""
fi
catalog=""
ifs_libxml2="${IFS}"
IFS=" "
rest="${CONDA_PREFIX}"
for piece in ${rest}; do
    while test "${rest#"${piece}"}" = "${rest}"; do
        catalog="${catalog}%20"
        rest=${rest#" "}
    done
    catalog="${catalog}${piece}"
    rest=${rest#"${piece}"}
done
IFS="${ifs_libxml2}"
catalog="file://${catalog}/etc/xml/catalog file:///etc/xml/catalog"
export XML_CATALOG_FILES="${XML_CATALOG_FILES}${catalog}"
unset catalog piece rest
"""
LIBXML2_BASH = """#!/bin/bash
XML_CATALOG_FILES+="${XML_CATALOG_FILES:+ }"
uri="file://${CONDA_PREFIX// /%20}/etc/xml/catalog"
export XML_CATALOG_FILES+="${uri} file:///etc/xml/catalog"
"""
UDUNITS2 = """#!/bin/bash
if [[ -n "$UDUNITS2_XML_PATH" ]]; then
    export _CONDA_SET_UDUNITS2_XML_PATH=$UDUNITS2_XML_PATH
fi
if [ -d $CONDA_PREFIX/share/udunits ]; then
    export UDUNITS2_XML_PATH=$CONDA_PREFIX/share/udunits/udunits2.xml
elif [ -d $CONDA_PREFIX/Library/share/udunits ]; then
    export UDUNITS2_XML_PATH=$CONDA_PREFIX/Library/share/udunits/udunits2.xml
fi
"""
GEOTIFF = """#!/bin/bash
if [ -n "$GEOTIFF_CSV" ]; then export _CONDA_SET_GEOTIFF_CSV=$GEOTIFF_CSV; fi
[ -d "$CONDA_PREFIX/share/epsg_csv" ] && export GEOTIFF_CSV="$CONDA_PREFIX/share/epsg_csv"
"""
R_BASE = """#!/usr/bin/env sh
# Nothing but what R itself would not find
case "${R_HOME:-unset}" in
    unset | "${CONDA_PREFIX}"/*) export R_HOME="${CONDA_PREFIX}/lib/R" ;;
    *) export R_HOME_CONDA_BACKUP="$R_HOME" R_HOME="${CONDA_PREFIX}/lib/R" ;;
esac
if test -e "${CONDA_PREFIX}/lib/R/etc/javaconf" && ! test -x "${CONDA_PREFIX}/bin/java"; then
    echo "R found no Java" 1>&2
fi
"""
GLIB = """
export GSETTINGS_SCHEMA_DIR_CONDA_BACKUP="${GSETTINGS_SCHEMA_DIR:-}"
export GSETTINGS_SCHEMA_DIR="$CONDA_PREFIX/share/glib-2.0/schemas"
"""
RUST = """#!/usr/bin/env bash
export CARGO_HOME=${CARGO_HOME:-${CONDA_PREFIX}/.cargo}
export CARGO_CONFIG=${CARGO_CONFIG:-${CARGO_HOME}/config}
[[ -d ${CARGO_HOME} ]] || mkdir -p ${CARGO_HOME}
if [[ "linux-64" == linux*  ]]; then
  export CARGO_BUILD_RUSTFLAGS="-C link-arg=-Wl,-rpath-link,${PREFIX:-${CONDA_PREFIX}}/lib"
fi
export PATH=${CARGO_HOME}/bin:${PATH}
"""
BACKUP = """
if [ "${PYTHON_JIT+x}" ] ; then
  export PYTHON_JIT_CONDA_BACKUP="${PYTHON_JIT}"
fi
export PYTHON_JIT=1
"""
EDGE = """export EDGE_ACTIVATED="$CONDA_PREFIX"
export EDGE_BUILT_IN="@"
export PATH="$CONDA_PREFIX/share/edge-activate/bin:$PATH"
"""

GDAL_FILES = ("share/gdal/gcs.csv", "lib/libgdal.so")
XML = "file://@/etc/xml/catalog file:///etc/xml/catalog"

SCRIPTS = [
    Script("gdal", GDAL, {"GDAL_DATA": "@/share/gdal", "CPL_ZIP_ENCODING": "UTF-8"}, files=GDAL_FILES, posix=False),
    Script(
        "gdal-plugins-and-backup",
        GDAL,
        {
            "GDAL_DATA": "@/share/gdal",
            "_CONDA_SET_GDAL_DATA": "/usr/share/gdal",
            "GDAL_DRIVER_PATH": "@/lib/gdalplugins",
            "CPL_ZIP_ENCODING": "UTF-8",
        },
        env={"GDAL_DATA": "/usr/share/gdal"},
        files=(*GDAL_FILES, "lib/gdalplugins/gdal_HDF5.so"),
        posix=False,
    ),
    Script(
        "gdal-without-data",
        GDAL,
        {"_CONDA_SET_GDAL_DRIVER_PATH": "@/none", "CPL_ZIP_ENCODING": "UTF-8"},
        env={"GDAL_DRIVER_PATH": "@/none"},
        removed=("GDAL_DRIVER_PATH",),
        posix=False,
    ),
    Script(
        "proj",
        PROJ,
        {"PROJ_DATA": "@/share/proj", "PROJ_LIB": "@/share/proj", "PROJ_NETWORK": "ON"},
        files=("share/proj/proj.db",),
    ),
    Script(
        "proj-data",
        PROJ,
        {
            "PROJ_DATA": "@/share/proj",
            "PROJ_LIB": "@/share/proj",
            "PROJ_NETWORK": "OFF",
            "_CONDA_SET_PROJ_DATA": "/two  words",
        },
        env={"PROJ_DATA": "/two  words"},
        files=("share/proj/copyright_and_licenses.csv",),
    ),
    Script(
        "openjdk",
        OPENJDK,
        {
            "JAVA_HOME_CONDA_BACKUP": "",
            "JAVA_HOME": "@/lib/jvm",
            "JAVA_LD_LIBRARY_PATH_BACKUP": "",
            "JAVA_LD_LIBRARY_PATH": "@/lib/jvm/lib/server",
        },
        posix=False,
    ),
    Script(
        "openjdk-backup",
        OPENJDK,
        {
            "JAVA_HOME_CONDA_BACKUP": "/usr/lib/jvm/my java",
            "JAVA_HOME": "@/lib/jvm",
            "JAVA_LD_LIBRARY_PATH_BACKUP": "",
            "JAVA_LD_LIBRARY_PATH": "@/lib/jvm/lib/server",
        },
        env={"JAVA_HOME": "/usr/lib/jvm/my java"},
        posix=False,
    ),
    Script(
        "ca-certificates",
        CA_CERTIFICATES,
        {"SSL_CERT_FILE": "@/ssl/cacert.pem", "__CONDA_OPENSLL_CERT_FILE_SET": "1", "SSL_CERT_DIR": "@/ssl/certs"},
        files=("ssl/certs/a.pem",),
        posix=False,
    ),
    Script("ca-certificates-of-base", CA_CERTIFICATES, env={"SSL_CERT_FILE": "/etc/ssl/cert.pem"}, posix=False),
    Script("cuda-nvcc", CUDA_NVCC, {"CFLAGS": "  -I@/targets/x86_64-linux/include"}, posix=False),
    Script(
        "cuda-nvcc-with-compiler",
        CUDA_NVCC,
        {
            "CFLAGS": "-O2  -I@/targets/x86_64-linux/include",
            "NVCC_PREPEND_FLAGS_BACKUP": "-a b",
            "NVCC_PREPEND_FLAGS": "-a b -ccbin=g++",
        },
        env={"CXX": "g++", "CFLAGS": "-O2", "NVCC_PREPEND_FLAGS": "-a b"},
        posix=False,
    ),
    Script("libxml2", LIBXML2, {"XML_CATALOG_FILES": XML}),
    Script("libxml2-appends", LIBXML2, {"XML_CATALOG_FILES": f"/a/b {XML}"}, env={"XML_CATALOG_FILES": "/a/b"}),
    Script("libxml2-bash", LIBXML2_BASH, {"XML_CATALOG_FILES": XML}, posix=False),
    Script(
        "libxml2-bash-appends",
        LIBXML2_BASH,
        {"XML_CATALOG_FILES": f"/a/b {XML}"},
        env={"XML_CATALOG_FILES": "/a/b"},
        posix=False,
    ),
    Script(
        "udunits2",
        UDUNITS2,
        {"UDUNITS2_XML_PATH": "@/share/udunits/udunits2.xml"},
        files=("share/udunits/udunits2.xml",),
        posix=False,
    ),
    Script("geotiff", GEOTIFF, {"GEOTIFF_CSV": "@/share/epsg_csv"}, files=("share/epsg_csv/gcs.csv",)),
    Script("geotiff-without-data", GEOTIFF, {"_CONDA_SET_GEOTIFF_CSV": "/x"}, env={"GEOTIFF_CSV": "/x"}),
    Script("r-base", R_BASE, {"R_HOME": "@/lib/R"}, files=("lib/R/etc/javaconf",)),
    Script(
        "r-base-backup",
        R_BASE,
        {"R_HOME": "@/lib/R", "R_HOME_CONDA_BACKUP": "/usr/lib/R"},
        env={"R_HOME": "/usr/lib/R"},
    ),
    Script(
        "libglib", GLIB, {"GSETTINGS_SCHEMA_DIR_CONDA_BACKUP": "", "GSETTINGS_SCHEMA_DIR": "@/share/glib-2.0/schemas"}
    ),
    Script(
        "rust",
        RUST,
        {
            "CARGO_HOME": "@/.cargo",
            "CARGO_CONFIG": "@/.cargo/config",
            "CARGO_BUILD_RUSTFLAGS": "-C link-arg=-Wl,-rpath-link,@/lib",
            "PATH": "@/.cargo/bin:@/bin:/usr/bin:/bin",
        },
        files=(".cargo/config",),
        posix=False,
    ),
    Script("python-jit", BACKUP, {"PYTHON_JIT": "1"}),
    Script("python-jit-backup", BACKUP, {"PYTHON_JIT": "1", "PYTHON_JIT_CONDA_BACKUP": ""}, env={"PYTHON_JIT": ""}),
    Script(
        "edge-activate",
        EDGE,
        {
            "EDGE_ACTIVATED": "@",
            "EDGE_BUILT_IN": "@",
            "PATH": "@/share/edge-activate/bin:@/bin:/usr/bin:/bin",
        },
    ),
    Script("bcftools", 'export BCFTOOLS_PLUGINS="$CONDA_PREFIX/libexec"\n', {"BCFTOOLS_PLUGINS": "@/libexec"}),
]
