package dev.perseid.inference;

import java.util.Locale;

/// What can betray a provider. Each is weighed for itself.
public enum Sign {
  /// How far the tokens are from those that the model chooses with the same randomness.
  MARGIN,
  /// How improbable the tokens are, beside how improbable the model's own draws would be.
  TILT,
  /// How far the stated probabilities are from the model's.
  LOGPROB,
  /// How many more tokens are claimed than there are.
  COUNT,
  /// Whether the finish reason fits the answer.
  FINISH,
  /// Whether the same request with the same seed gets the same answer.
  REPEAT,
  /// Whether requests with different randomness get the very same answer.
  COPY;

  /// Its name in records.
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
