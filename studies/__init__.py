"""Study files that ship with the package; `bench run NAME` finds them by name."""
