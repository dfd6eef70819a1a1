package dev.perseid.engine;

/// The small things of a record in one number: outcome, flags, attempt.
final class Marks {
  static final int LATE = 1 << 4;
  static final int MEASURED = 1 << 5;
  static final int VIRTUAL = 1 << 6;
  static final int NAMED = 1 << 7;
  static final int ATTEMPT_SHIFT = 8;
  static final int ATTEMPTS = (1 << 20) - 1;
  static final int CORES = 1 << 28;

  private Marks() {}

  static int of(Outcome outcome, int attempt) {
    return outcome.code | (Math.min(attempt - 1, ATTEMPTS) << ATTEMPT_SHIFT);
  }

  static int attempt(int marks) {
    return (marks >>> ATTEMPT_SHIFT & ATTEMPTS) + 1;
  }

  static boolean known(int marks) {
    return Outcome.known(marks & 15);
  }

  static Outcome outcome(int marks) {
    return Outcome.of(marks & 15);
  }
}
