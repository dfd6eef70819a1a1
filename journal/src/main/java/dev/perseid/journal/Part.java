package dev.perseid.journal;

/// What a moment in the life of a task went to.
public enum Part {
  /// It ran, and that counted.
  RUNNING("running", false),
  /// It waited for what it depends on.
  DEPENDENCY("waiting for dependencies", false),
  /// Everything it needed was there, but no core.
  PROVIDER("waiting for a core", true),
  /// It had a core's promise and waited for its data, module or environment.
  DATA("waiting for data", true),
  /// An attempt in vain, and the time to the next.
  RETRYING("retrying", true),
  /// What it waited for had ended, and nobody had told it yet.
  HANDOVER("handing over", true),
  /// It had not been submitted yet.
  ARRIVING("not yet submitted", true);

  private final String words;

  /// Whether it stands between the end of what a task waited for and its own start.
  final boolean wait;

  Part(String words, boolean wait) {
    this.words = words;
    this.wait = wait;
  }

  /// In words.
  public String words() {
    return words;
  }
}
