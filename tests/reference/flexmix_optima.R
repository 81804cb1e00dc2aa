# Maximum-likelihood optima of four simulated data sets, found by R's flexmix: an oracle for the tests, which read flexmix_optima.json.
#
#   Rscript flexmix_optima.R            (in this folder; needs R >= 4, flexmix, nnet; rewrites flexmix_optima.json)
#
# The model is a mixture of K linear experts with a softmax gate on the same covariates, without any penalty:
#   p(y | x) = sum_k softmax_k(gate x~) f(y | expert_k x~),  x~ = (1, x),  f normal with its own sigma_k, or Poisson with a log link.
# flexmix is only called. Its Gaussian driver inflates every sigma_k^2 by n / (n - p), p columns with the intercept, and its gate comes from
# nnet with a loose tolerance, so that what it stops at is not exactly a maximum of the likelihood it reports. Every start's end is therefore
# polished here: BFGS, then Newton steps, on the log-likelihood itself. The file carries both values; "log_likelihood" and the parameters are
# those of the polished optimum.

suppressMessages(library(flexmix))
STARTS <- 100
CLOSE <- 1e-3 # a start has reached an optimum when its log-likelihood is this close

# ---- data: what is written (6 decimals) is what is fitted ---------------------------------------------------------------------------------
written <- function(x) as.numeric(sprintf("%.6f", x))

draw <- function(set) {
  set.seed(set$seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  X <- set$covariates(set$n)
  X[] <- written(X)
  A <- cbind(1, X)
  G <- exp(A %*% t(set$gate))
  # one uniform per row chooses the expert
  k <- 1 + rowSums(runif(set$n) > t(apply(G / rowSums(G), 1, cumsum))[, -nrow(set$gate), drop = FALSE])
  eta <- rowSums(A * set$experts[k, ])
  y <- if (set$family == "gaussian") written(eta + set$sigma[k] * rnorm(set$n)) else rpois(set$n, exp(eta))
  list(X = X, A = A, y = as.numeric(y), K = nrow(set$gate), family = set$family)
}

uniform <- function(n, p, lo, hi) matrix(runif(n * p, lo, hi), n, p)

sets <- list(
  list(name = "crossing_lines", family = "gaussian", n = 120, seed = 1,
       covariates = function(n) uniform(n, 1, -2, 2),
       gate = rbind(c(0, 0), c(0.3, 1)), experts = rbind(c(1, 1.5), c(0.5, -1.2)), sigma = c(0.4, 0.6)),
  list(name = "three_planes", family = "gaussian", n = 200, seed = 2,
       covariates = function(n) uniform(n, 2, -2, 2),
       gate = rbind(c(0, 0, 0), c(0.2, 1, -0.5), c(-0.2, -0.4, 1)),
       experts = rbind(c(0, 1.5, 1), c(3, -1, 0.5), c(-3, 0.3, -1.5)), sigma = c(0.5, 0.4, 0.7)),
  list(name = "two_counts", family = "poisson", n = 150, seed = 3,
       covariates = function(n) uniform(n, 2, -1.5, 1.5),
       gate = rbind(c(0, 0, 0), c(-0.2, 0.8, 0.8)), experts = rbind(c(0.5, 0.7, -0.4), c(2.5, -0.4, 0.5))),
  list(name = "two_parabolas", family = "gaussian", n = 200, seed = 4,
       covariates = function(n) { x <- written(runif(n, 0, 3)); cbind(x, x^2) },
       gate = rbind(c(0, 0, 0), c(-1, 2.4, -0.8)), experts = rbind(c(1, 2, -0.6), c(4, -3, 1.2)), sigma = c(0.3, 0.5))
)

# ---- the exact log-likelihood, its gradient, and the polish ----------------------------------------------------------------------------------
# parameters as one vector: K x p expert coefficients, (K - 1) x p gate coefficients (expert 1 is the baseline), K log sigmas (Gaussian only)
unpack <- function(v, d) {
  p <- ncol(d$A)
  K <- d$K
  list(experts = matrix(v[seq_len(K * p)], K, p), gate = rbind(0, matrix(v[K * p + seq_len((K - 1) * p)], K - 1, p)),
       sigma = if (d$family == "gaussian") exp(v[(2 * K - 1) * p + seq_len(K)]))
}

pack <- function(q) c(q$experts, q$gate[-1, ], if (!is.null(q$sigma)) log(q$sigma))

log_sum_exp <- function(M) { top <- apply(M, 1, max); top + log(rowSums(exp(M - top))) }

joint <- function(q, d) {
  gate <- d$A %*% t(q$gate)
  gate <- gate - log_sum_exp(gate)
  eta <- d$A %*% t(q$experts)
  fit <- sapply(seq_len(d$K), function(k)
    if (d$family == "gaussian") dnorm(d$y, eta[, k], q$sigma[k], log = TRUE) else dpois(d$y, exp(eta[, k]), log = TRUE))
  list(gate = exp(gate), eta = eta, log = gate + fit)
}

log_likelihood <- function(v, d) { s <- sum(log_sum_exp(joint(unpack(v, d), d)$log)); if (is.finite(s)) s else -1e10 }

score <- function(v, d) {
  q <- unpack(v, d)
  j <- joint(q, d)
  r <- exp(j$log - log_sum_exp(j$log))
  gate <- t(r - j$gate) %*% d$A
  if (d$family == "poisson") return(c(t(r * (d$y - exp(j$eta))) %*% d$A, gate[-1, ]))
  z <- sweep(d$y - j$eta, 2, q$sigma, "/")
  c(t(sweep(r * z, 2, q$sigma, "/")) %*% d$A, gate[-1, ], colSums(r * (z^2 - 1)))
}

hessian <- function(v, d) { # central differences of the score
  h <- 1e-5
  H <- sapply(seq_along(v), function(i) { e <- replace(0 * v, i, h); (score(v + e, d) - score(v - e, d)) / (2 * h) })
  (H + t(H)) / 2
}

polish <- function(v, d) {
  for (again in 1:2)
    v <- optim(v, log_likelihood, score, d = d, method = "BFGS", control = list(fnscale = -1, maxit = 20000, reltol = 1e-15))$par
  for (step in 1:5) {
    to <- tryCatch(v - solve(hessian(v, d), score(v, d)), error = function(e) v)
    if (all(is.finite(to)) && log_likelihood(to, d) >= log_likelihood(v, d) - 1e-9 && max(abs(score(to, d))) < max(abs(score(v, d)))) v <- to
  }
  v
}

# ---- flexmix ---------------------------------------------------------------------------------------------------------------------------------
one_start <- function(d) {
  p <- ncol(d$X)
  frame <- data.frame(y = d$y, d$X)
  names(frame) <- c("y", paste0("x", seq_len(p)))
  right <- paste(names(frame)[-1], collapse = " + ")
  fit <- tryCatch(flexmix(as.formula(paste("y ~", right)), data = frame, k = d$K, model = FLXMRglm(family = d$family),
                          concomitant = FLXPmultinom(as.formula(paste("~", right))),
                          control = list(iter.max = 20000, minprior = 0, tolerance = 1e-12)), error = function(e) NULL)
  if (is.null(fit) || fit@k < d$K) return(NULL)
  P <- parameters(fit)
  q <- list(experts = t(P[seq_len(p + 1), , drop = FALSE]), gate = t(parameters(fit, which = "concomitant")),
            sigma = if (d$family == "gaussian") P[p + 2, ])
  list(value = as.numeric(logLik(fit)), v = unname(pack(q)), iterations = fit@iter, converged = fit@converged)
}

canonical <- function(v, d) { # experts by their intercepts; the first is the gate's baseline
  q <- unpack(v, d)
  o <- order(q$experts[, 1])
  pack(list(experts = q$experts[o, ], gate = sweep(q$gate[o, ], 2, q$gate[o[1], ]), sigma = q$sigma[o]))
}

describe <- function(v, d) {
  q <- unpack(v, d)
  j <- joint(q, d)
  list(shares = colMeans(exp(j$log - log_sum_exp(j$log))), relative_sigmas = if (d$family == "gaussian") q$sigma / sd(d$y))
}

regular <- function(v, d) { # no spike, no expert with hardly any rows
  s <- describe(v, d)
  all(is.finite(v)) && min(s$shares) >= 0.1 && (is.null(s$relative_sigmas) || min(s$relative_sigmas) >= 0.05)
}

# ---- json, by hand: 17 significant digits give the same double back ----------------------------------------------------------------------------
num <- function(x) sprintf("%.17g", x)
short <- function(x) sub("\\.$", "", sub("0+$", "", sprintf("%.6f", x)))
vec <- function(x, f = num) paste0("[", paste(f(x), collapse = ", "), "]")
rows <- function(M, f = num) paste0("[", paste(apply(M, 1, vec, f = f), collapse = ", "), "]")
str <- function(x) paste0("\"", x, "\"")
object <- function(parts, pad) paste0("{\n", paste0(pad, "  \"", names(parts), "\": ", unlist(parts), collapse = ",\n"), "\n", pad, "}")

solve_set <- function(set) {
  began <- proc.time()[[3]]
  d <- draw(set)
  set.seed(set$seed + 1000)
  runs <- Filter(Negate(is.null), lapply(seq_len(STARTS), function(i) one_start(d)))
  for (i in seq_along(runs)) {
    runs[[i]]$polished <- canonical(polish(runs[[i]]$v, d), d)
    runs[[i]]$top <- log_likelihood(runs[[i]]$polished, d)
    runs[[i]]$regular <- regular(runs[[i]]$polished, d)
  }
  get <- function(name) sapply(runs, `[[`, name)
  ok <- get("regular")
  winner <- runs[ok][[which.max(get("top")[ok])]]
  v <- winner$polished
  # the same optimum again, from two standard errors about it
  errors <- solve(chol(-hessian(v, d)))
  back <- lapply(1:20, function(i) polish(v + 2 * as.vector(errors %*% rnorm(length(v))), d))
  back <- sapply(back, function(u) if (regular(u, d)) log_likelihood(u, d) else NA)
  q <- unpack(v, d)
  about <- describe(v, d)
  curvature <- range(eigen(-hessian(v, d), symmetric = TRUE, only.values = TRUE)$values)
  raw <- get("value")
  n_gate <- length(q$experts) + seq_len((d$K - 1) * ncol(d$A))
  near <- ok & abs(get("top") - winner$top) < CLOSE
  flexmix_best <- runs[near][[which.max(raw[near])]]
  stopifnot(max(abs(score(v, d))) < 1e-6, curvature[1] > 0, max(back, na.rm = TRUE) < winner$top + 1e-6)
  cat(sprintf("%s: log-likelihood %.10f, flexmix %.10f (its gate's gradient %.1e, all %.1e; %d iterations); score %.1e; curvature %.3g to %.3g\n", set$name,
              winner$top, flexmix_best$value, max(abs(score(flexmix_best$v, d)[n_gate])), max(abs(score(flexmix_best$v, d))), flexmix_best$iterations,
              max(abs(score(v, d))), curvature[1], curvature[2]))
  cat(sprintf("  of %d starts %d ended, %d not converged, %d not regular, %d at the optimum (flexmix's own value: %d); back from nearby: %d of 20; %.0f s\n", STARTS,
              length(runs), sum(!get("converged")), sum(!ok), sum(near), sum(abs(raw - flexmix_best$value) < CLOSE),
              sum(abs(back - winner$top) < 1e-6, na.rm = TRUE), proc.time()[[3]] - began))
  tab <- table(sprintf("%.3f%s", get("top"), ifelse(ok, "", " (not regular)")))
  cat("  ends:", paste(names(tab), tab, sep = " x ", collapse = ", "), "\n")
  cat("  experts", rows(q$experts, short), "gate", rows(q$gate, short),
      "sigmas / sd(y)", vec(about$relative_sigmas, short), "shares", vec(about$shares, short), "\n")
  part <- list(name = str(set$name), family = str(set$family), n_experts = d$K, n_rows = set$n, log_likelihood = num(winner$top),
               flexmix_log_likelihood = num(flexmix_best$value), starts = STARTS, starts_at_optimum = sum(near),
               starts_at_flexmix_value = sum(abs(raw - flexmix_best$value) < CLOSE), starts_not_regular = sum(!ok),
               expert_coefficients = rows(q$experts), gate_coefficients = rows(q$gate))
  if (d$family == "gaussian") part$sigmas <- vec(q$sigma)
  part$shares <- vec(about$shares, short)
  part$smallest_curvature <- num(signif(curvature[1], 4))
  part$X <- rows(d$X, short)
  part$y <- vec(d$y, short)
  object(part, "    ")
}

began <- proc.time()[[3]]
body <- sapply(sets, solve_set)
about <- paste(
  "Simulated data and the maximum-likelihood optimum of a mixture of linear experts with a softmax gate on the same covariates, without penalty,",
  "as found by flexmix and polished on the exact log-likelihood by flexmix_optima.R, which made this file.",
  "Coefficients: intercept first; gate row k is the logit of expert k against expert 1; Poisson experts have a log link;",
  "log-likelihoods carry every constant; starts_at_optimum counts the starts whose polished end is within 1e-3 of log_likelihood.")
top <- list(about = str(about), r_version = str(paste(R.version$major, R.version$minor, sep = ".")),
            flexmix_version = str(as.character(packageVersion("flexmix"))), nnet_version = str(as.character(packageVersion("nnet"))),
            sets = paste0("[\n    ", paste(body, collapse = ",\n    "), "\n  ]"))
writeLines(object(top, ""), "flexmix_optima.json")
cat(sprintf("flexmix_optima.json written in %.0f s\n", proc.time()[[3]] - began))
