# mixtools: hmeEM, two Gaussian experts of one covariate (install.packages("mixtools"), or r-cran-mixtools).

here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "problem.R"))
needs("mixtools")
stopifnot(family == "gaussian", K == 2, p == 1)

starts <- sapply(seq_len(K), expert_start)
gate <- suppressWarnings(glm.fit(A, z[, 1], family = binomial())$coefficients)
tell(
  function() { capture.output(fit <- hmeEM(y = y, x = X, beta = starts[1:2, ], sigma = starts[3, ], w = gate, k = 2,
                                           epsilon = if (is.null(tolerance)) 1e-8 else tolerance, maxit = 10000)); fit },
  function(fit) fit$loglik,
  function(fit) length(fit$all.loglik) - 1
)
