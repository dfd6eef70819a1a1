package dev.perseid.core;

import java.util.List;

/// What one audit of an answer found, and where the sequential tests of its provider stand after
/// it.
///
/// @param provider who answered
/// @param model hash of the model's manifest
/// @param reader on whose reading it rests: another provider's, or the pool's own address where the
///   pool read the answer itself or compared answers with one another
/// @param requestId of the answer, as in its record
/// @param kind how it was audited
/// @param evidence what was weighed, for each sign that there was something of
/// @param standing what all of this reader's audits say together; never ACCUSED
/// @param sign what betrayed a cheat; empty for others
/// @param audits how many audits by this reader there were, this one included
/// @param tokens how many tokens were compared in them
/// @param tests the state of the sequential tests, exactly: numbers that mean nothing here
public record AuditNote(
    Address provider,
    Hash model,
    Address reader,
    String requestId,
    AuditKind kind,
    List<Weighed> evidence,
    Standing standing,
    String sign,
    long audits,
    long tokens,
    List<Long> tests) {
  /// What was weighed of one sign.
  ///
  /// @param sign its name in lower case
  /// @param values how many values
  /// @param sumMicros their sum, in millionths
  public record Weighed(String sign, long values, long sumMicros) {}

  /// Copies the lists.
  public AuditNote {
    evidence = List.copyOf(evidence);
    tests = List.copyOf(tests);
  }

  /// What the newest notes of all readers say together. The pool's own reading decides. Another
  /// provider's word is a competitor's word: it takes two of them.
  ///
  /// @param pool the pool's address
  /// @param newest of one provider and model, one of each reader
  public static Standing standing(Address pool, Iterable<AuditNote> newest) {
    int accusers = 0;
    boolean honest = false;
    for (AuditNote note : newest) {
      if (note.standing == Standing.CHEATING) {
        accusers += note.reader.equals(pool) ? 2 : 1;
      }
      honest |= note.standing == Standing.HONEST;
    }
    if (accusers > 0) {
      return accusers > 1 ? Standing.CHEATING : Standing.ACCUSED;
    }
    return honest ? Standing.HONEST : Standing.UNDECIDED;
  }
}
