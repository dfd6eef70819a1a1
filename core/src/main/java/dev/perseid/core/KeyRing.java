package dev.perseid.core;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The API keys: for whom each stands, what it may do, who made it. Part of the [State], changed by
/// events alone.
final class KeyRing {
  /// A key of an account.
  static final class Row {
    final Address account;
    final Hash keyHash;
    final String name;
    final long madeUs;
    final Rights rights;
    final @Nullable Hash parent;
    long spent;

    Row(
        Address account,
        Hash keyHash,
        String name,
        long madeUs,
        Rights rights,
        @Nullable Hash parent) {
      this.account = account;
      this.keyHash = keyHash;
      this.name = name;
      this.madeUs = madeUs;
      this.rights = rights;
      this.parent = parent;
    }

    /// Whether it is as all keys were before there were scopes.
    boolean isPlain() {
      return rights.equals(Rights.INFERENCE) && parent == null && spent == 0;
    }

    ApiKeyView view() {
      return new ApiKeyView(
          account, keyHash, name, madeUs, rights, Optional.ofNullable(parent), spent);
    }
  }

  private final TreeMap<Hash, Row> keys = new TreeMap<>();
  private final TreeMap<Address, TreeSet<Hash>> ofAccount = new TreeMap<>();

  int size() {
    return keys.size();
  }

  @Nullable Row find(Hash keyHash) {
    return keys.get(keyHash);
  }

  /// All keys, or those of one account, by hash.
  List<Row> rows(@Nullable Address account) {
    if (account == null) {
      return List.copyOf(keys.values());
    }
    List<Row> own = new ArrayList<>();
    TreeSet<Hash> hashes = ofAccount.get(account);
    if (hashes != null) {
      hashes.forEach(hash -> own.add(row(hash)));
    }
    return own;
  }

  int count(Address account) {
    TreeSet<Hash> hashes = ofAccount.get(account);
    return hashes == null ? 0 : hashes.size();
  }

  private Row row(Hash keyHash) {
    Row row = keys.get(keyHash);
    if (row == null) {
      throw new IllegalStateException("there is no API key " + keyHash);
    }
    return row;
  }

  /// A key and those above it, itself first.
  List<Row> line(Row from) {
    List<Row> line = new ArrayList<>();
    for (Row row = from; row != null; row = row.parent == null ? null : keys.get(row.parent)) {
      line.add(row);
    }
    return line;
  }

  /// A key and all that were made with it, those furthest below first, itself last.
  List<Row> tree(Row root) {
    List<Row> tree = new ArrayList<>();
    for (Row row : rows(root.account)) {
      if (line(row).contains(root)) {
        tree.add(row);
      }
    }
    tree.sort(Comparator.comparingInt((Row row) -> line(row).size()).reversed());
    return tree;
  }

  void add(Row row) {
    keys.put(row.keyHash, row);
    ofAccount.computeIfAbsent(row.account, a -> new TreeSet<>()).add(row.keyHash);
  }

  void remove(Hash keyHash) {
    Row row = keys.remove(keyHash);
    if (row != null) {
      ofAccount.computeIfPresent(
          row.account, (a, own) -> own.remove(keyHash) && own.isEmpty() ? null : own);
    }
  }

  void spend(List<Hash> payers, long amount) {
    for (Hash payer : payers) {
      row(payer).spent += amount;
    }
  }

  /// What version 2 of the snapshot has of them.
  void write(Out out) throws java.io.IOException {
    out.number(keys.size());
    for (Row row : keys.values()) {
      out.address(row.account);
      out.hash(row.keyHash);
      out.text(row.name);
      out.number(row.madeUs);
      out.flushFull();
    }
  }

  /// What else there is: the rights of keys that are not plain.
  void writeRights(Out out) throws java.io.IOException {
    List<Row> others = keys.values().stream().filter(row -> !row.isPlain()).toList();
    out.number(others.size());
    for (Row row : others) {
      out.hash(row.keyHash);
      row.rights.write(out);
      out.octet(row.parent == null ? 0 : 1);
      if (row.parent != null) {
        out.hash(row.parent);
      }
      out.number(row.spent);
      out.flushFull();
    }
  }

  void read(In in) {
    int count = in.count();
    for (int n = 0; n < count; n++) {
      add(new Row(in.address(), in.hash(), in.text(), in.number(), Rights.INFERENCE, null));
    }
  }

  void readRights(In in) {
    int count = in.count();
    for (int n = 0; n < count; n++) {
      Row known = keys.get(in.hash());
      if (known == null) {
        throw in.malformed("an API key is named that does not stand in the snapshot");
      }
      Rights rights = Rights.read(in);
      Hash parent = in.flag() ? in.hash() : null;
      Row row = new Row(known.account, known.keyHash, known.name, known.madeUs, rights, parent);
      row.spent = in.number();
      add(row);
    }
  }
}
