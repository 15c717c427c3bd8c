"""Times by Go's layouts, in which the reference time 2006-01-02 15:04:05 stands for every other one."""

import re
from datetime import datetime
from typing import Final

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def format_time(moment: datetime, layout: str) -> str:
    """A time in UTC with whole seconds, by a layout (Go's time.Time.Format)."""
    return _PART.sub(lambda match: _part(moment, match.group()), layout)


def _part(moment: datetime, part: str) -> str:
    hour = moment.hour % 12 or 12
    day_of_year = moment.timetuple().tm_yday
    parts = {
        "2006": f"{moment.year:04d}",
        "06": f"{moment.year % 100:02d}",
        "January": MONTHS[moment.month - 1],
        "Jan": MONTHS[moment.month - 1][:3],
        "01": f"{moment.month:02d}",
        "1": str(moment.month),
        "Monday": WEEKDAYS[moment.weekday()],
        "Mon": WEEKDAYS[moment.weekday()][:3],
        "02": f"{moment.day:02d}",
        "_2": f"{moment.day:2d}",
        "2": str(moment.day),
        "002": f"{day_of_year:03d}",
        "__2": f"{day_of_year:3d}",
        "15": f"{moment.hour:02d}",
        "03": f"{hour:02d}",
        "3": str(hour),
        "04": f"{moment.minute:02d}",
        "4": str(moment.minute),
        "05": f"{moment.second:02d}",
        "5": str(moment.second),
        "PM": "PM" if moment.hour >= 12 else "AM",
        "pm": "pm" if moment.hour >= 12 else "am",
        "MST": "UTC",
        "-07:00:00": "+00:00:00",
        "-07:00": "+00:00",
        "-070000": "+000000",
        "-0700": "+0000",
        "-07": "+00",
    }
    if part in parts:
        return parts[part]
    if part.startswith("Z"):
        return "Z"
    # Parts of a second: `.000` writes them, `.999` leaves zeros out.
    return part if part[1] == "0" else ""


# Longer ones first, as Go's own search takes them.
_PART: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|01|02|03|04|05|06|2006|__2|_2(?!006)|15|1|2|3|4|5|PM|pm"
    r"|-07:00:00|-07:00|-070000|-0700|-07|Z07:00:00|Z07:00|Z070000|Z0700|Z07|[.,](?:0+|9+)(?![0-9])"
)
