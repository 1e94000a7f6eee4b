"""Croissant 1.0 metadata (JSON-LD; Akhtar et al. 2024): the tables of an export with files, columns and types."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from evalkit.exports import codebook
from evalkit.store import frames

TYPES = {
    frames.STRING: "sc:Text",
    frames.INTEGER: "sc:Integer",
    frames.NUMBER: "sc:Float",
    frames.BOOLEAN: "sc:Boolean",
}
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def metadata(about: Mapping[str, str], files: Mapping[str, bytes], columns: Mapping[str, list[str]]) -> dict[str, Any]:
    """The record for `files` (table -> bytes of its CSV). `about`: name, description, license, version, date, cite."""
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about["name"],
        "description": about["description"],
        "license": about["license"],
        "url": about["url"],
        "version": about["version"],
        "datePublished": about["date"],
        "citeAs": about["cite"],
        "personalSensitiveInformation": "None: raters are random codes.",
        "distribution": [_file(table, content) for table, content in files.items()],
        "recordSet": [_records(table, columns[table]) for table in files],
    }


def _file(table: str, content: bytes) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"{table}.csv",
        "name": f"{table}.csv",
        "contentUrl": f"{table}.csv",
        "encodingFormat": "text/csv",
        "contentSize": f"{len(content)} B",
        "sha256": sha256(content).hexdigest(),
    }


def _records(table: str, present: list[str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": codebook.TITLES[table],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table}/{name}",
                "name": name,
                "description": meaning or name,
                "dataType": TYPES[kind],
                "source": {"fileObject": {"@id": f"{table}.csv"}, "extract": {"column": name}},
            }
            for name, kind, meaning in codebook.columns(table, present)
        ],
    }
