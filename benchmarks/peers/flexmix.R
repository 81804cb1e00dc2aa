# flexmix: mixtures of generalised linear models with a multinomial gate (install.packages("flexmix"), or r-cran-flexmix).

here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "problem.R"))
needs("flexmix")

response <- if (family == "binomial") "cbind(y, 1 - y)" else "y"
control <- list(iter.max = 100000, minprior = 0)
if (!is.null(tolerance)) control$tolerance <- tolerance
tell(
  function() flexmix(as.formula(paste(response, "~", columns)), data = frame, k = K, cluster = z,
                     model = FLXMRglm(family = family), concomitant = FLXPmultinom(as.formula(paste("~", columns))),
                     control = control),
  function(fit) as.numeric(logLik(fit)),
  function(fit) fit@iter
)
