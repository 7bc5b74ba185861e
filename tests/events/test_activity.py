"""The names of AI coding tools, and what an entry makes."""

import pytest

from theodora.events.activity import UserActivity, read_user_activity, tool_name

ENTRY = {
    "user_email": "Dev@Example.com",
    "day": "2026-01-31",
    "is_active": True,
    "tools": ["Claude Code"],
}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Claude Code", "claude_code"),
        ("claude-code", "claude_code"),
        ("ClaudeCode", "claude_code"),
        ("Cursor", "cursor"),
        ("Cursor AI", "cursor"),
        ("Copilot", "copilot"),
        ("GitHub Copilot", "copilot"),
        ("github_copilot", "copilot"),
        ("Gemini CLI", "gemini_cli"),
        ("Amazon Q (IDE)", "amazon_q_ide"),
        ("Claude", "claude"),
        ("GPT-5 codex", "gpt_5_codex"),
        ("!", ""),
    ],
)
def test_a_tool_has_one_name_however_it_is_written(text: str, name: str) -> None:
    assert tool_name(text) == name


def test_an_entry_makes_a_value_for_each_of_its_tools() -> None:
    entry = {**ENTRY, "tools": ["Cursor", "Claude Code"], "models": ["GPT-5", "gpt-5", "Opus"]}

    assert read_user_activity(entry) == tuple(
        UserActivity(
            user_email="dev@example.com",
            day="2026-01-31",
            tool=tool,
            is_active=True,
            models=("gpt-5", "opus"),
        )
        for tool in ("cursor", "claude_code")
    )


def test_a_tool_named_twice_counts_once() -> None:
    (activity,) = read_user_activity({**ENTRY, "tools": ["Claude Code", "claude-code"]})

    assert activity.tool == "claude_code"
