"""What a figure on an H100 is held against: seconds that the products alone would take in bfloat16."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Floor:
    """For the whole figure, from the count of floating point operations at 400 TFLOP/s; not measured.

    Attributes:
        crystals: Of the whole figure.
        target: Seconds to reach.
        straightforward: Of the products of a plain network.
        best: Of those of a network that computes nothing twice.
    """

    crystals: int
    target: float
    straightforward: float
    best: float

    def print_share(self, seconds: float, crystals: int) -> None:
        """The time, scaled to all crystals, beside the target and the floors."""
        scaled = seconds * self.crystals / crystals
        print(f"{seconds:.2f} s of wall time for {crystals} crystals, {scaled:.2f} s for {self.crystals}")
        print(f"target on an H100: {self.target} s; {self.target / scaled:.0%} of the speed of the target")
        for name, floor in (("straightforward products", self.straightforward), ("fewest products", self.best)):
            print(f"floor of the {name}: {floor} s; {floor / scaled:.1%} of the floor's speed")
