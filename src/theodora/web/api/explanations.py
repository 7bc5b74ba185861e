"""The handler of explanations."""

from theodora.dora.derivation.explanation import explain
from theodora.web.api.wire import Resource, encode_data
from theodora.web.http.operations import Request
from theodora.web.http.responses import Reply

TYPE = "dora_deployment_explanation"


def explain_deployment(request: Request) -> Reply:
    found = request.store.derivations.explain(request.organisation, request.path_parameters["id"])
    explanation = explain(found.derived, found.preceding, found.repository, found.settings)
    return Reply(200, encode_data(Resource(explanation.id, TYPE, explanation)))
