"""The metrics endpoint: a question to the engine, and its answer as JSON or CSV."""

from theodora.web.api.metrics.answer import Answer, answer_of
from theodora.web.api.metrics.csv_table import csv_of
from theodora.web.api.metrics.json_document import json_of
from theodora.web.api.metrics.question import read_question
from theodora.web.http.operations import Request
from theodora.web.http.responses import CSV, Reply

_CSV_HEADERS = ((b"content-disposition", b'attachment; filename="dora-metrics.csv"'),)


def get_metrics(request: Request) -> Reply:
    question = read_question(request.query_parameters.multi_items(), request.now_ns)
    body = encode_answer(answer_of(request.store, request.organisation, question))
    if question.form == "csv":
        return Reply(200, body, CSV, _CSV_HEADERS)
    return Reply(200, body)


def encode_answer(answer: Answer) -> bytes:
    """The answer in the requested form."""
    return csv_of(answer) if answer.question.form == "csv" else json_of(answer)
