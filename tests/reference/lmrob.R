# Writes lmrob.csv: MM-estimates of R's robustbase, their S-estimates and standard errors, of the
# bundled data sets whose columns are numbers. From the folder of the project:
#
#     Rscript tests/reference/lmrob.R > tests/reference/lmrob.csv
#
# Tuning constants are solved for, not R's rounded ones, and every search goes on until it stands:
# what is left between two programs is rounding.

library(robustbase)

mean_of <- function(f) {
  2 * integrate(function(x) f(x) * dnorm(x), 0, 12, rel.tol = 1e-13)$value
}
efficiency <- function(k, psi) {
  mean_of(function(x) Mpsi(x, k, psi, deriv = 1))^2 / mean_of(function(x) Mpsi(x, k, psi)^2)
}
breakdown <- function(k, psi) mean_of(function(x) Mchi(x, k, psi))
root <- function(f, ...) uniroot(f, c(...), tol = 1e-14)$root

tuning.psi <- c(
  welsh = root(function(k) efficiency(k, "welsh") - 0.95, 1, 5),
  bisquare = root(function(k) efficiency(k, "bisquare") - 0.95, 3, 8)
)
tuning.chi <- c(
  welsh = root(function(k) breakdown(k, "welsh") - 0.5, 0.3, 1),
  bisquare = root(function(k) breakdown(k, "bisquare") - 0.5, 1, 2)
)

cat("data,psi,tuning,scale,term,start,estimate,std_error\n")
for (data in c("stackloss", "phones", "starscyg", "hbk", "salinity")) {
  table <- read.csv(file.path("sklearn_robust", "data", paste0(data, ".csv")))
  names(table)[ncol(table)] <- "y"
  for (psi in names(tuning.psi)) {
    set.seed(0)
    fit <- lmrob(y ~ ., table, control = lmrob.control(
      psi = psi, tuning.psi = tuning.psi[[psi]], tuning.chi = tuning.chi[[psi]],
      nResample = 5000, best.r.s = 20, max.it = 5000, k.max = 5000, maxit.scale = 5000,
      refine.tol = 1e-12, rel.tol = 1e-12, scale.tol = 1e-14, solve.tol = 1e-12,
      cov = ".vcov.w", compute.rd = FALSE))
    stopifnot(fit$converged)
    errors <- sqrt(diag(vcov(fit)))
    terms <- c("intercept", setdiff(names(table), "y"))
    for (j in seq_along(terms)) {
      figures <- c(tuning.psi[[psi]], fit$scale)
      figures <- c(sprintf("%.15g", figures), terms[j],
        sprintf("%.15g", c(fit$init.S$coefficients[j], coef(fit)[j], errors[j])))
      cat(data, psi, figures, sep = ",")
      cat("\n")
    }
  }
}
