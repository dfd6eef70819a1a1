package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.AuditKind;
import dev.perseid.core.AuditNote;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Pool;
import dev.perseid.core.Standing;
import dev.perseid.inference.Baseline;
import dev.perseid.inference.Evidence;
import dev.perseid.inference.Suspicion;
import dev.perseid.inference.Verdict;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// What the pool knows of providers by audits: a mirror of what its log says. Nothing is known that
/// is not recorded. Reading is safe for any thread; one thread at a time weighs.
final class AuditBook {
  /// Whom an answer is held against.
  record Suspect(Address provider, Hash model) {}

  private final Address pool;
  private final PoolMill mill;
  private final Map<Suspect, List<AuditNote>> notes = new ConcurrentHashMap<>();

  AuditBook(Address pool, PoolMill mill) {
    this.pool = pool;
    this.mill = mill;
  }

  /// Reads all that the log says.
  void open() throws PoolMill.Unavailable {
    Map<Suspect, List<AuditNote>> all = new HashMap<>();
    for (AuditNote note : mill.ask(Pool::audited)) {
      all.computeIfAbsent(new Suspect(note.provider(), note.model()), _ -> new ArrayList<>())
          .add(note);
    }
    notes.keySet().retainAll(all.keySet());
    all.forEach((suspect, its) -> notes.put(suspect, List.copyOf(its)));
  }

  List<AuditNote> notes(Suspect suspect) {
    return notes.getOrDefault(suspect, List.of());
  }

  Standing standing(Suspect suspect) {
    return AuditNote.standing(pool, notes(suspect));
  }

  /// Weighs what an audit found and records it.
  ///
  /// @param reader on whose reading it rests
  /// @return where the provider stands now
  Standing weigh(
      Suspect suspect, Address reader, AuditKind kind, String requestId, Evidence evidence)
      throws PoolMill.Unavailable {
    List<AuditNote.Weighed> weighed = evidence.weighed();
    Suspicion before = suspicion(suspect, reader);
    if (weighed.isEmpty() || before.verdict().decision() == Verdict.Decision.CHEATING) {
      return standing(suspect);
    }
    Suspicion after = before.with(evidence);
    Verdict verdict = after.verdict();
    AuditNote note =
        new AuditNote(
            suspect.provider,
            suspect.model,
            reader,
            requestId,
            kind,
            weighed,
            switch (verdict.decision()) {
              case UNDECIDED -> Standing.UNDECIDED;
              case HONEST -> Standing.HONEST;
              case CHEATING -> Standing.CHEATING;
            },
            verdict.sign().map(s -> s.word()).orElse(""),
            after.audits(),
            after.tokens(),
            after.tests());
    if (mill.command(new Command.RecordAudit(note)) instanceof PoolLoop.Reply.Refused refused) {
      System.getLogger(AuditBook.class.getName())
          .log(
              System.Logger.Level.WARNING,
              "an audit was not recorded: " + refused.rejection().message());
    }
    notes.put(suspect, mill.ask(p -> p.audited(suspect.provider, suspect.model)));
    if (notes.size() > Limits.CONDUCTS) {
      open();
    }
    return standing(suspect);
  }

  private Suspicion suspicion(Suspect suspect, Address reader) {
    for (AuditNote note : notes(suspect)) {
      if (note.reader().equals(reader)) {
        return Suspicion.of(Baseline.USUAL, note.tests());
      }
    }
    return Suspicion.fresh(Baseline.USUAL);
  }

  /// What betrayed a cheat, for people.
  String why(Suspect suspect) {
    return notes(suspect).stream()
        .filter(n -> n.standing() == Standing.CHEATING)
        .findFirst()
        .map(n -> suspicion(suspect, n.reader()).verdict().why())
        .orElse("");
  }
}
