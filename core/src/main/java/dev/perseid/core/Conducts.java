package dev.perseid.core;

import java.io.IOException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// What the pool knows of its providers by audits, and the accounts out of which it pays for those
/// that need an answer. Part of the [State], changed by events alone.
final class Conducts {
  private record Key(Address provider, Hash model) {}

  private static final List<AuditKind> KINDS =
      List.of(AuditKind.READ, AuditKind.REPEAT, AuditKind.ANEW, AuditKind.CANARY);
  private static final List<Standing> STANDINGS =
      List.of(Standing.UNDECIDED, Standing.HONEST, Standing.ACCUSED, Standing.CHEATING);

  /// The newest note of each reader; the conducts that were looked at last are at the end.
  private final LinkedHashMap<Key, TreeMap<Address, AuditNote>> notes = new LinkedHashMap<>();

  /// Accounts of the pool's own that nobody knows to be its own, so that its questions look like a
  /// consumer's.
  final TreeSet<Address> accounts = new TreeSet<>();

  private final Address self;

  Conducts(Address self) {
    this.self = self;
  }

  /// The newest notes about a provider's serving of a model, ordered by reader.
  List<AuditNote> of(Address provider, Hash model) {
    TreeMap<Address, AuditNote> found = notes.get(new Key(provider, model));
    return found == null ? List.of() : List.copyOf(found.values());
  }

  @Nullable AuditNote of(Address provider, Hash model, Address reader) {
    TreeMap<Address, AuditNote> found = notes.get(new Key(provider, model));
    return found == null ? null : found.get(reader);
  }

  List<AuditNote> all() {
    return notes.values().stream().flatMap(m -> m.values().stream()).toList();
  }

  /// Whether a note can be kept: cheats are not forgotten, and each has a limited number of
  /// readers.
  boolean hasRoom(AuditNote note) {
    TreeMap<Address, AuditNote> found = notes.get(new Key(note.provider(), note.model()));
    if (found != null) {
      return found.containsKey(note.reader()) || found.size() < Limits.AUDIT_READERS;
    }
    return notes.size() < Limits.CONDUCTS || oldest() != null;
  }

  void add(AuditNote note) {
    Key key = new Key(note.provider(), note.model());
    TreeMap<Address, AuditNote> found = notes.remove(key);
    if (found == null) {
      found = new TreeMap<>();
      Key old = notes.size() < Limits.CONDUCTS ? null : oldest();
      if (old != null) {
        notes.remove(old);
      }
    }
    found.put(note.reader(), note);
    notes.put(key, found);
  }

  /// The conduct that nobody looked at for longest, unless it is a cheat's.
  private @Nullable Key oldest() {
    Iterator<Key> keys = notes.keySet().iterator();
    while (keys.hasNext()) {
      Key key = keys.next();
      if (AuditNote.standing(self, of(key.provider, key.model)) != Standing.CHEATING) {
        return key;
      }
    }
    return null;
  }

  void write(Out out) throws IOException {
    List<AuditNote> all = all();
    out.number(all.size());
    for (AuditNote note : all) {
      write(out, note);
      out.flushFull();
    }
    out.number(accounts.size());
    for (Address account : accounts) {
      out.address(account);
      out.flushFull();
    }
  }

  void read(In in) {
    int count = in.count();
    for (int n = 0; n < count; n++) {
      add(note(in));
    }
    count = in.count();
    for (int n = 0; n < count; n++) {
      accounts.add(in.address());
    }
  }

  static void write(Out out, AuditNote note) {
    out.sharedAddress(note.provider());
    out.sharedHash(note.model());
    out.sharedAddress(note.reader());
    out.text(note.requestId());
    out.choice(note.kind(), KINDS);
    out.number(note.evidence().size());
    for (AuditNote.Weighed weighed : note.evidence()) {
      out.sharedText(weighed.sign());
      out.number(weighed.values());
      out.signed(weighed.sumMicros());
    }
    out.choice(note.standing(), STANDINGS);
    out.sharedText(note.sign());
    out.number(note.audits());
    out.number(note.tokens());
    out.number(note.tests().size());
    for (long test : note.tests()) {
      out.signed(test);
    }
  }

  static AuditNote note(In in) {
    Address provider = in.sharedAddress();
    Hash model = in.sharedHash();
    Address reader = in.sharedAddress();
    String requestId = in.text();
    AuditKind kind = in.choice(KINDS);
    int count = in.count();
    List<AuditNote.Weighed> evidence = in.list(count);
    for (int i = 0; i < count; i++) {
      evidence.add(new AuditNote.Weighed(in.sharedText(), in.number(), in.signed()));
    }
    Standing standing = in.choice(STANDINGS);
    String sign = in.sharedText();
    long audits = in.number();
    long tokens = in.number();
    count = in.count();
    List<Long> tests = in.list(count);
    for (int i = 0; i < count; i++) {
      tests.add(in.signed());
    }
    return new AuditNote(
        provider, model, reader, requestId, kind, evidence, standing, sign, audits, tokens, tests);
  }
}
