"""The demo's company: services, teams and their habits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWNER = "shopist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The habits of a demo service. A pair of numbers is a value that changes from the first to the
    second.

    The first holds at the start of the demo, the second at its end.
    """

    name: str
    team: str
    repository: str | None
    """Deployments without one have no commits."""
    language: str
    per_week: tuple[float, float]
    """Deployments to production in a working week."""
    minutes: float
    """A deployment's usual length."""
    trouble: tuple[float, float]
    """Share of deployments to production that are rolled back or fixed."""
    lead_hours: tuple[float, float]
    """The usual time from the first commit of a change to its merge."""
    things: tuple[str, ...]
    """Subjects of its changes."""
    sends_team: bool = True
    """Whether events name the team; otherwise the settings do."""
    production: str = "production"
    staging: str = "staging"
    folder: str = "src"
    """Where in its repository its files are."""


SERVICES = (
    Service(
        name="checkout",
        team="payments",
        repository="checkout",
        language="java",
        per_week=(5, 12),
        minutes=7,
        trouble=(0.22, 0.03),
        lead_hours=(60, 5),
        things=("the basket", "vouchers", "the address form", "guest orders", "delivery dates"),
    ),
    Service(
        name="payment-gateway",
        team="payments",
        repository="payment-gateway",
        language="go",
        per_week=(5, 5),
        minutes=4,
        trouble=(0.05, 0.05),
        lead_hours=(9, 9),
        things=("card payments", "refunds", "direct debit", "the bank's callbacks", "receipts"),
    ),
    Service(
        name="web",
        team="storefront",
        repository="storefront",
        language="typescript",
        per_week=(16, 20),
        minutes=5,
        trouble=(0.08, 0.06),
        lead_hours=(8, 6),
        things=("the start page", "product pages", "the menu", "the cookie notice", "images"),
        folder="web",
    ),
    Service(
        name="catalogue",
        team="storefront",
        repository="storefront",
        language="python",
        per_week=(7, 8),
        minutes=3,
        trouble=(0.06, 0.05),
        lead_hours=(14, 14),
        things=("prices", "stock levels", "categories", "product variants", "the nightly import"),
        folder="catalogue",
    ),
    Service(
        name="search",
        team="discovery",
        repository="search",
        language="rust",
        per_week=(4, 5),
        minutes=11,
        trouble=(0.24, 0.28),
        lead_hours=(20, 24),
        things=("ranking", "synonyms", "the index", "spelling", "search suggestions"),
    ),
    Service(
        name="recommendations",
        team="discovery",
        repository="recommendations",
        language="python",
        per_week=(1.6, 1.6),
        minutes=19,
        trouble=(0.1, 0.1),
        lead_hours=(120, 130),
        things=("the nightly model", "similar products", "the feature store", "cold starts"),
    ),
    Service(
        name="notifications",
        team="platform",
        repository="notifications",
        language="kotlin",
        per_week=(5, 6),
        minutes=6,
        trouble=(0.07, 0.07),
        lead_hours=(16, 12),
        things=("order mails", "text messages", "templates", "unsubscribing", "the outbox"),
        sends_team=False,
        production="live",
        staging="preview",
    ),
    Service(
        name="billing-export",
        team="platform",
        repository=None,
        language="cobol",
        per_week=(2, 2),
        minutes=24,
        trouble=(0.08, 0.08),
        lead_hours=(0, 0),
        things=(),
        sends_team=False,
    ),
)

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "web": {"team": "storefront", "path_globs": ["web/**", "shared/**", "!**/*.md"]},
    "catalogue": {"team": "storefront", "path_globs": ["catalogue/**", "shared/**", "!**/*.md"]},
    "checkout": {"team": "payments"},
    "payment-gateway": {"team": "payments"},
    "notifications": {"team": "platform"},
    "billing-export": {"team": "platform"},
    "search": {"rollback_lookback": 20},
}
"""The settings of services, as `theodora settings set` reads them."""

VERBS = (
    *("Add", "Cache", "Simplify", "Speed up", "Log", "Validate", "Retry", "Test"),
    *("Rename", "Limit", "Translate", "Show", "Move", "Document"),
)
REASONS = (
    *("for returning customers", "on slow networks", "in the new layout", "behind a switch"),
    *("for large orders", "in the mobile view", "during sales", "after a timeout", "per country"),
)
"""With verbs and things they make the titles of changes."""

SYMPTOMS = (
    "answers with errors",
    "is slower than promised",
    "shows stale data",
    "does not start in one region",
    "loses sessions",
)
SEVERITIES = ("SEV-1", "SEV-2", "SEV-2", "SEV-3", "SEV-3", "SEV-3")
REGIONS = ("eu-west-1", "us-east-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOverride:
    """An override of a deployment to production."""

    service: str
    failed: bool
    """The verdict that overrides what the rules found."""
    place: float
    """Which of those, as a share of all from the first to the last."""
    by: str
    reason: str
    is_taken_back: bool = False


DEMO_OVERRIDES = (
    DemoOverride(
        service="search",
        failed=False,
        place=0.95,
        by="Radia Perlman",
        reason="A planned switch back while the index was moved; customers noticed nothing.",
    ),
    DemoOverride(
        service="search",
        failed=False,
        place=0.5,
        by="Edsger Dijkstra",
        reason="Rolled back by mistake, the release was sound.",
    ),
    DemoOverride(
        service="checkout",
        failed=True,
        place=0.97,
        by="Grace Hopper",
        reason="Vouchers were counted twice until the next release.",
    ),
    DemoOverride(
        service="billing-export",
        failed=True,
        place=0.9,
        by="Ada Byron",
        reason="The export held the wrong VAT; accounting noticed on the next day.",
    ),
    DemoOverride(
        service="billing-export",
        failed=True,
        place=0.4,
        by="Ada Byron",
        reason="Two invoices lacked their numbers.",
    ),
    DemoOverride(
        service="notifications",
        failed=True,
        place=0.9,
        by="Grace Hopper",
        reason="Orders were mailed twice.",
    ),
    DemoOverride(
        service="payment-gateway",
        failed=True,
        place=0.8,
        by="Edsger Dijkstra",
        reason="Refunds seemed to be lost.",
        is_taken_back=True,
    ),
)
