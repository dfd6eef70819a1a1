package dev.perseid.cli;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How a job file names tasks and their outputs: `task`, `task[2]`, `task[*]`, `task[0..9]`, each
/// with `:output` where an output is meant.
///
/// @param task name of an entry of `tasks`
/// @param copies which of its copies
/// @param output number of the output, or -1
record Reference(String task, Copies copies, int output) {
  private static final Pattern FORM =
      Pattern.compile(
          "([A-Za-z0-9._-]{1,64})(?:\\[(\\*|(\\d{1,9})(?:\\.\\.(\\d{1,9}))?)])?(?::(\\d{1,9}))?");

  /// Which copies of a task.
  sealed interface Copies {
    /// The task has no copies.
    record None() implements Copies {}

    /// All of them.
    record All() implements Copies {}

    /// From `first` to `last`, both included.
    record Range(int first, int last) implements Copies {}
  }

  /// The reference, or empty if the text has not its form.
  static Optional<Reference> parse(String text) {
    Matcher m = FORM.matcher(text);
    if (!m.matches()) {
      return Optional.empty();
    }
    Copies copies;
    if (m.group(2) == null) {
      copies = new Copies.None();
    } else if (m.group(2).equals("*")) {
      copies = new Copies.All();
    } else {
      int first = Integer.parseInt(m.group(3));
      copies = new Copies.Range(first, m.group(4) == null ? first : Integer.parseInt(m.group(4)));
    }
    return Optional.of(
        new Reference(m.group(1), copies, m.group(5) == null ? -1 : Integer.parseInt(m.group(5))));
  }
}
