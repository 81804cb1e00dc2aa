# depmixS4: mixtures of generalised linear models whose prior depends on covariates (install.packages("depmixS4")).

here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "problem.R"))
needs("depmixS4")

model <- mix(as.formula(paste("y ~", columns)), data = frame, nstates = K, family = get(family)(),
             prior = as.formula(paste("~", columns)), initdata = frame)
# It starts from parameters: those of the gate by covariate, then those of one expert after another.
model <- setpars(model, c(as.vector(gate_start()), unlist(lapply(seq_len(K), expert_start))))
control <- em.control(maxit = 100000, random.start = FALSE, crit = "relative", tol = if (is.null(tolerance)) 1e-8 else tolerance)
tell(
  function() { capture.output(fitted <- fit(model, emcontrol = control, verbose = FALSE)); fitted },
  function(fit) as.numeric(logLik(fit)),
  function(fit) NA
)
