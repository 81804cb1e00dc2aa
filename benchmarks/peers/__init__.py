"""Other packages for mixtures of experts on the same data from the same responsibilities, each run to its own end.

R: ``install.packages(c("flexmix", "mixtools", "MoEClust", "depmixS4"))``, or on Debian ``apt-get install r-base-core
r-cran-flexmix r-cran-mixtools libopenblas0-pthread`` (the last because R's own matrix products are slow). Python: ``pip
install cgmm smt egobox``, and where that is not the Python that runs this, its path in SKMOE_PEERS_PYTHON. What is not
there is left out with a sentence.
"""
