# What the scripts of this folder share: a problem read from a folder, and what is told of a fit.
#
#   Rscript NAME.R FOLDER START TOLERANCE        (TOLERANCE "default" for the package's own)
#
# The folder holds shape.txt (rows, columns, experts, family), X.bin and y.bin, and z-START.bin, the responsibilities to
# start with; numbers are doubles, columns one after another. The last line of output is one JSON object.

arguments <- commandArgs(TRUE)
folder <- arguments[1]
tolerance <- if (arguments[3] == "default") NULL else as.numeric(arguments[3])

needs <- function(package) {
  if (suppressWarnings(suppressMessages(!require(package, character.only = TRUE, quietly = TRUE)))) {
    cat(sprintf('{"missing": "%s"}\n', package))
    quit(status = 0)
  }
}

stored <- function(name, n, m) matrix(readBin(file.path(folder, name), "double", n * m), n, m)

shape <- scan(file.path(folder, "shape.txt"), what = "", quiet = TRUE)
n <- as.integer(shape[1])
p <- as.integer(shape[2])
K <- as.integer(shape[3])
family <- shape[4]
X <- stored("X.bin", n, p)
colnames(X) <- paste0("x", seq_len(p))
y <- as.vector(stored("y.bin", n, 1))
z <- stored(paste0("z-", arguments[2], ".bin"), n, K)
frame <- data.frame(y = y, X)
columns <- paste(colnames(X), collapse = " + ")
A <- cbind(1, X)

# Experts and gate fitted to the responsibilities to start with, for packages that start from parameters.
expert_start <- function(k) {
  if (family == "gaussian") {
    fit <- lm.wfit(A, y, z[, k])
    return(c(fit$coefficients, sqrt(sum(z[, k] * fit$residuals^2) / sum(z[, k]))))
  }
  suppressWarnings(glm.fit(A, y, weights = z[, k], family = get(family)())$coefficients)
}

gate_start <- function() {
  coefficients <- coef(nnet::multinom(z ~ X, trace = FALSE, MaxNWts = 1e6))
  rbind(0, matrix(coefficients, nrow = K - 1))
}

# Fit, and tell log-likelihood, seconds and iterations.
tell <- function(fit, log_likelihood, iterations) {
  seconds <- system.time(found <- suppressWarnings(suppressMessages(fit())))[["elapsed"]]
  cat(sprintf('\n{"log_likelihood": %.6f, "seconds": %.4f, "iterations": %d, "version": "%s"}\n', log_likelihood(found),
              seconds, as.integer(iterations(found)),
              paste0(R.version$major, ".", R.version$minor, " with ", basename(dirname(La_library())))))
}
