"""Families: distributions of the response given its parameters, one file each."""

from .bernoulli import Bernoulli
from .gaussian import Gaussian
from .poisson import Poisson
from .protocol import Family, Terms
from .student_t import StudentT

#: Families that ``expert=`` of a regressor accepts by name.
FAMILIES: dict[str, type[Family]] = {f.name: f for f in (Gaussian, StudentT, Poisson)}

__all__ = ["FAMILIES", "Bernoulli", "Family", "Gaussian", "Poisson", "StudentT", "Terms"]
