"""What the manifest says of the index that a large gallery is searched with."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]


class SearchIndex(BaseModel):
    """The FAISS index in index.faiss, and its recall, measured when it was written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(description="in the words of FAISS's index factory")
    probes: Positive = Field(description="cells that a search looks into")
    candidates: Positive = Field(
        description="for each neighbour asked for, so many are found in the index and measured "
        "by their embeddings; 1: the index has the embeddings themselves"
    )
    recall: Annotated[float, Field(ge=0, le=1)] = Field(
        description="share of the nearest `neighbours` that a search finds"
    )
    neighbours: Positive
    queries: Positive = Field(description="gallery rows that recall was measured with")
    rows: Positive = Field(description="of the gallery when the cells were found")
    changed: Annotated[int, Field(ge=0)] = Field(description="rows added and removed since then")
