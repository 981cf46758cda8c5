"""The tools that cases put on offer: plain ones, with arguments of every shape."""

from __future__ import annotations

from typing import Any, Final

from skerry.conformance.case import Tool, offer


def text(description: str) -> dict[str, Any]:
    """Return the schema of a text."""
    return {"type": "string", "description": description}


WEATHER: Final = offer("get_weather", "Tell the weather of now in a city.", {"city": text("Name of the city.")})
FORECAST: Final = offer(
    "get_forecast",
    "Tell the weather of the coming days in a city.",
    {"city": text("Name of the city."), "days": {"type": "integer", "description": "How many days ahead."}},
)
LOCAL_TIME: Final = offer("get_local_time", "Tell the local time in a city.", {"city": text("Name of the city.")})
TIMER: Final = offer(
    "set_timer",
    "Start a kitchen timer.",
    {
        "minutes": {"type": "integer", "description": "How long it runs."},
        "loud": {"type": "boolean", "description": "Whether it rings loudly."},
    },
)
LOG_LEVEL: Final = offer(
    "set_log_level",
    "Set how much a service writes into its log.",
    {
        "service": text("Name of the service."),
        "level": {"type": "string", "enum": ["debug", "info", "warning", "error"], "description": "The level."},
    },
)
ORDERS: Final = offer(
    "find_orders",
    "List the orders of a customer.",
    {"customer": text("The customer's number."), "before": text("Only those before this date, as YYYY-MM-DD.")},
    required=("customer",),
)
UPTIME: Final = offer("get_uptime", "Tell for how long this server has been running.", {})
MESSAGE: Final = offer(
    "send_message",
    "Send a message to a person.",
    {"to": text("Name of the person."), "text": text("The message, word for word.")},
)
NOTE: Final = offer("write_note", "Keep a note.", {"text": text("The note, word for word.")})
DELETE_NOTE: Final = offer("delete_note", "Delete a note for ever.", {"title": text("Title of the note.")})
SHOW_NOTE: Final = offer("show_note", "Show a note.", {"title": text("Title of the note.")})
PHONE: Final = offer("lookup", "Look up the phone number of a person.", {"name": text("The person's name.")})
LOG_SEARCH: Final = offer("find", "Search the log files for a word.", {"word": text("The word.")})
MEETING: Final = offer(
    "create_meeting",
    "Put a meeting into the calendar.",
    {
        "title": text("Its title."),
        "when": {
            "type": "object",
            "description": "When it starts.",
            "properties": {"date": text("As YYYY-MM-DD."), "time": text("As HH:MM.")},
            "required": ["date", "time"],
        },
    },
)
TAGS: Final = offer(
    "add_tags",
    "Add tags to a ticket.",
    {
        "ticket": {"type": "integer", "description": "Number of the ticket."},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "The tags, in order."},
    },
)
PURCHASE: Final = offer(
    "place_order",
    "Order goods from the store.",
    {
        "items": {
            "type": "array",
            "description": "What is ordered, in order.",
            "items": {
                "type": "object",
                "properties": {
                    "article": text("The article's number."),
                    "quantity": {"type": "integer", "description": "How many."},
                },
                "required": ["article", "quantity"],
            },
        }
    },
)
TABLE: Final = offer(
    "book_table",
    "Book a table in a restaurant.",
    {
        "restaurant": text("Name of the restaurant."),
        "people": {"type": "integer", "description": "How many people."},
        "time": text("As HH:MM."),
    },
)
PERSON: Final = offer("find_person", "Find a person; returns the person's id.", {"name": text("The person's name.")})
BADGES: Final = offer("list_badges", "List the badges of a person.", {"person_id": text("The person's id.")})
ODD: Final = offer(
    "store_settings",
    'Grüße, 設定: keep "settings" <as they are> & nothing else.',
    {
        "mode": {"type": "string", "enum": ["größer", "小さい"], "description": "Größe."},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "None is no limit."},
        "rules": {
            "type": "array",
            "description": "Rules.",
            "items": {
                "type": "object",
                "properties": {"path": text("Which."), "deny": {"type": "array", "items": {"type": "string"}}},
                "required": ["path"],
            },
        },
    },
    required=("mode",),
)
"""A schema with what real tools have: unions, enums, nesting, letters of all kinds."""


def name_of(tool: Tool) -> str:
    """Return a tool's name."""
    return str(tool["function"]["name"])
