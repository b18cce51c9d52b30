import re
from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering
from typing import Final, Self

from domain.shared.errors import InvalidValue, RuleBroken

# ISO 4217, active codes by the number of digits of their minor unit. Left out are the codes that
# have none: precious metals (XAU, …), bond units, the SDR and the codes for testing.
_CODES_BY_DIGITS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD"
        " CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP"
        " GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK"
        " LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO"
        " NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS"
        " SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST"
        " XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


class CurrencyMismatch(RuleBroken):
    code = "currency-mismatch"

    def __init__(self, *currencies: "Currency") -> None:
        codes = sorted({currency.code for currency in currencies})
        super().__init__(f"{' and '.join(codes)} do not add up", currencies=codes)


class OtherCurrency(CurrencyMismatch):
    """The amount in this field is in another currency than what it is for."""

    def __init__(self, field: str, *currencies: "Currency") -> None:
        super().__init__(*currencies)
        self.details["field"] = field


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217: `code` and the number of `digits` of its minor unit."""

    code: str
    digits: int

    @classmethod
    def of(cls, code: str) -> "Currency":
        """The currency of this code, upper case as in the standard, or InvalidValue."""
        try:
            return CURRENCIES[code]
        except KeyError:
            raise InvalidValue("currency", "is no active code of ISO 4217") from None

    def __str__(self) -> str:
        return self.code


CURRENCIES: Final = {
    code: Currency(code, digits)
    for digits, codes in _CODES_BY_DIGITS.items()
    for code in codes.split()
}

_AMOUNT = re.compile(r"(-?)(0|[1-9][0-9]{0,14})(?:\.([0-9]{1,4}))?", re.ASCII)


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount, in the minor unit of one currency."""

    minor: int
    currency: Currency

    @classmethod
    def parse(cls, amount: str | int | Decimal, currency: Currency, *, field: str) -> Self:
        """
        "79.99" as 7999 minor units; never rounds.

        Takes plain decimal notation only: no exponent, no sign but "-", at most 15 digits before
        the point and the currency's own number after it. Everything else is InvalidValue.
        """
        text = amount if isinstance(amount, str) else _plain(Decimal(amount))
        match = _AMOUNT.fullmatch(text)
        if match is None:
            raise InvalidValue(field, "is no plain decimal amount of at most 15 digits")
        sign, whole, fraction = match.groups(default="")
        if len(fraction) > currency.digits:
            raise InvalidValue(field, f"has more than {currency.digits} decimals of {currency}")
        minor = int(whole + fraction.ljust(currency.digits, "0"))
        return cls(-minor if sign else minor, currency)

    @property
    def amount(self) -> str:
        """The decimal text with exactly the currency's digits: "79.99", or "80" for the yen."""
        digits = self.currency.digits
        text = str(abs(self.minor)).rjust(digits + 1, "0")
        sign = "-" if self.minor < 0 else ""
        return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else sign + text

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._minor_of(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._minor_of(other), self.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(self.minor * times, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._minor_of(other)

    def _minor_of(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return other.minor


def _plain(number: Decimal) -> str:
    """Plain notation, or nothing where an exponent would make that very long."""
    exponent = number.as_tuple().exponent
    return format(number, "f") if isinstance(exponent, int) and abs(exponent) <= 15 else ""
