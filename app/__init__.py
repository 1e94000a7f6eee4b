"""The two web applications: the raters' (blind) and the researcher's. Two processes, two ports."""
