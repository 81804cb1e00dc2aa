# MoEClust: Gaussian mixtures of experts, one response or several (install.packages("MoEClust")).

here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "problem.R"))
needs("MoEClust")
stopifnot(family == "gaussian")

control <- list(init.z = "list", z.list = list(z), exp.init = list(mahalanobis = FALSE, joint = FALSE), stopping = "relative",
                verbose = FALSE)
if (!is.null(tolerance)) control$tol <- tolerance
tell(
  function() MoE_clust(y, G = K, modelNames = "V", gating = as.formula(paste("~", columns)),
                       expert = as.formula(paste("~", columns)), network.data = frame, control = do.call(MoE_control, control)),
  function(fit) as.numeric(fit$loglik[length(fit$loglik)]),
  function(fit) length(fit$loglik)
)
