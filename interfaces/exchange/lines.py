from codecs import BOM_UTF8
from typing import BinaryIO, Final

from domain.shared.errors import InvalidValue

LONGEST_ROW: Final = 1 << 20  # bytes
LONGEST_NAME: Final = 50  # characters that a refusal repeats; beyond any name that we know
ROW: Final = "row"  # the field to blame where no single one is


class Lines:
    """
    The lines of a file, without the byte-order mark that it may begin with.

    Where those of one row come to more than LONGEST_ROW this raises InvalidValue, and the line
    after them is next. No more than that is ever held.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begun = False
        self._left = LONGEST_ROW
        self.ended = False

    def begin_row(self) -> None:
        self._left = LONGEST_ROW

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> bytes:
        line = self._file.readline(self._left + 1)
        if not line:
            self.ended = True
            raise StopIteration
        self._left -= len(line)
        if self._left < 0:
            while line and not line.endswith(b"\n"):
                line = self._file.readline(LONGEST_ROW)
            raise InvalidValue(ROW, f"is longer than {LONGEST_ROW} bytes")
        if not self._begun:
            self._begun = True
            line = line.removeprefix(BOM_UTF8)
        return line
