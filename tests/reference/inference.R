# Writes inference.csv: what R's robustbase and MASS say of fits of ten data sets: estimates, standard
# errors by both formulas, limits of Student's t, R squared, tests that leave out the last column. From
# the folder of the project:
#
#     Rscript tests/reference/inference.R > tests/reference/inference.csv
#
# Five data sets are those bundled with the package. Five more are of robustbase; the script writes them
# to tests/reference/robustbase. Tuning constants are solved for, as in lmrob.R, so that what is left
# between two programs is rounding.

suppressMessages({
  library(robustbase)
  library(MASS)
})

mean_of <- function(f) {
  2 * integrate(function(x) f(x) * dnorm(x), 0, 12, rel.tol = 1e-13)$value
}
efficiency <- function(k) {
  mean_of(function(x) Mpsi(x, k, "welsh", deriv = 1))^2 / mean_of(function(x) Mpsi(x, k, "welsh")^2)
}
integral <- robustbase:::lmrob.E
root <- function(f, ...) uniroot(f, c(...), tol = 1e-14)$root
tuning.psi <- root(function(k) efficiency(k) - 0.95, 1, 5)
tuning.chi <- root(function(k) mean_of(function(x) Mchi(x, k, "welsh")) - 0.5, 0.3, 1)
control <- lmrob.control(
  psi = "welsh", tuning.psi = tuning.psi, tuning.chi = tuning.chi,
  nResample = 5000, best.r.s = 20, max.it = 5000, k.max = 5000, maxit.scale = 5000,
  refine.tol = 1e-12, rel.tol = 1e-12, scale.tol = 1e-14, solve.tol = 1e-12,
  cov = ".vcov.w", compute.rd = FALSE)

responses <- c(aircraft = "Y", coleman = "Y", delivery = "delTime", education = "Y", wood = "y")
for (data in names(responses)) {
  table <- get(data(list = data, package = "robustbase"))
  if (data == "education") table <- table[c("X1", "X2", "X3", "Y")]
  is_y <- names(table) == responses[[data]]
  table <- cbind(table[!is_y], y = table[is_y][[1]])
  write.csv(table, file.path("tests", "reference", "robustbase", paste0(data, ".csv")),
    row.names = FALSE, quote = FALSE)
}

cat("data,figure,term,value\n")
put <- function(data, figure, terms, values) {
  cat(paste(data, figure, terms, sprintf("%.15g", values), sep = ","), sep = "\n")
}

for (data in c("stackloss", "phones", "starscyg", "hbk", "salinity", names(responses))) {
  folder <- if (data %in% names(responses)) c("tests", "reference", "robustbase") else
    c("sklearn_robust", "data")
  path <- do.call(file.path, as.list(c(folder, paste0(data, ".csv"))))
  table <- read.csv(path)
  names(table)[ncol(table)] <- "y"
  columns <- setdiff(names(table), "y")
  terms <- c("intercept", columns)
  set.seed(0)
  fit <- lmrob(y ~ ., table, control = control)
  smaller <- lmrob(reformulate(c("1", head(columns, -1)), "y"), table, control = control)
  stopifnot(fit$converged, smaller$converged)
  said <- summary(fit)
  put(data, "estimate", terms, coef(fit))
  put(data, "vcov.w", terms, sqrt(diag(vcov(fit))))
  put(data, "vcov.avar1", terms, sqrt(diag(vcov(fit, cov = ".vcov.avar1"))))
  put(data, "p_value", terms, said$coefficients[, 4])
  put(data, "low", terms, confint(fit)[, 1])
  put(data, "high", terms, confint(fit)[, 2])
  put(data, "sigma", "", fit$scale)
  put(data, "df", "", fit$df.residual)
  put(data, "r2", "", said$r.squared)
  # The constant of consistency in R squared, by R's quadrature with 13 nodes.
  put(data, "consistency", "", integral(wgt(r), fit$control) / integral(r * psi(r), fit$control))
  put(data, "adjusted_r2", "", said$adj.r.squared)
  # The criterion of Maronna et al. (2019), section 5.12, from the definition.
  u <- residuals(fit) / fit$scale
  psi <- Mpsi(u, tuning.psi, "welsh") / tuning.psi^2
  slopes <- Mpsi(u, tuning.psi, "welsh", deriv = 1) / tuning.psi^2
  put(data, "rfpe", "", mean(Mchi(u, tuning.psi, "welsh")) + length(terms) * sum(psi^2) / sum(slopes) /
    nrow(table))
  for (test in c("Wald", "Deviance")) {
    found <- anova(fit, smaller, test = test)
    put(data, tolower(test), c("statistic", "p_value"), unlist(found[2, c(2, 4)]))
  }
  for (method in c("Huber", "bisquare")) {
    fit <- suppressWarnings(rlm(y ~ ., table, psi = paste0("psi.", tolower(method)), maxit = 20000,
      acc = 1e-13))
    said <- summary(fit)
    put(data, paste0("rlm.", method), terms, coef(fit))
    put(data, paste0("rlm.", method, ".scale"), "", fit$s)
    slopes <- fit$psi(fit$wresid / fit$s, deriv = 1)
    put(data, paste0("rlm.", method, ".kappa"), "",
      1 + length(terms) * var(slopes) / (nrow(table) * mean(slopes)^2))
    put(data, paste0("rlm.", method, ".XtX"), terms, said$coefficients[, 2])
    put(data, paste0("rlm.", method, ".XtWX"), terms,
      summary(fit, method = "XtWX")$coefficients[, 2])
  }
}
