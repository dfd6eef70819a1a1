package dev.perseid.cli;

import dev.perseid.chain.Court;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.node.Receipt;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;

/// What receipts, and what pools committed, say of the pools' logs, and where it contradicts
/// itself.
final class Evidence {
  /// A receipt that holds, as far as the pool signed it.
  record Item(Path file, Receipt.Logged logged) {}

  /// A receipt that proves nothing.
  record Wrong(Path file, int number, String reason) {}

  /// A record's place: several receipts of one record have the same.
  record Place(Address log, long index, Hash leaf) {}

  /// What costs a pool its bond at once.
  sealed interface Contradiction {
    /// The name that the court gives it.
    Hash evidence();

    /// In a sentence, without the pool.
    String said();

    /// Two roots at one size.
    record Equivocation(Court.Statement a, Court.Statement b) implements Contradiction {
      @Override
      public Hash evidence() {
        return Court.equivocationOf(a.log(), a.size(), a.root(), b.root());
      }

      @Override
      public String said() {
        return "two roots for its log of "
            + a.size()
            + " records, "
            + by(a)
            + " 0x"
            + a.root()
            + " and "
            + by(b)
            + " 0x"
            + b.root();
      }

      private static String by(Court.Statement s) {
        return switch (s) {
          case Court.Statement.Signed _ -> "signed";
          case Court.Statement.Committed c -> "committed in epoch " + c.epoch();
        };
      }
    }

    /// Two records at one index.
    record Fork(Receipt.Logged a, Receipt.Logged b) implements Contradiction {
      @Override
      public Hash evidence() {
        return Court.forkOf(a.head().log(), a.where().index(), a.where().leaf(), b.where().leaf());
      }

      @Override
      public String said() {
        return "two different records at index " + a.where().index() + " of its log";
      }
    }
  }

  private record At(Address log, long number) {}

  private final List<Wrong> wrong = new ArrayList<>();
  private final SequencedMap<Place, List<Item>> records = new LinkedHashMap<>();
  private final Map<At, Court.Statement> roots = new LinkedHashMap<>();
  private final Map<At, Receipt.Logged> leaves = new LinkedHashMap<>();
  private final SequencedMap<At, Contradiction> twoRoots = new LinkedHashMap<>();
  private final SequencedMap<At, Contradiction> twoLeaves = new LinkedHashMap<>();
  private final Set<Address> logs = new LinkedHashSet<>();
  private int count;

  private Evidence() {}

  /// Reads files of receipts and checks, offline, what the pool signed of each.
  static Evidence read(List<Path> files) throws BadInput {
    Evidence all = new Evidence();
    for (Path file : files) {
      int number = 0;
      for (String receipt : VerifyCommand.receipts(file)) {
        number++;
        all.count++;
        try {
          all.add(new Item(file, Receipt.logged(receipt)));
        } catch (IllegalArgumentException e) {
          all.wrong.add(new Wrong(file, number, String.valueOf(e.getMessage())));
        }
      }
    }
    return all;
  }

  private void add(Item item) {
    Receipt.Logged logged = item.logged();
    Address log = logged.head().log();
    logs.add(log);
    records
        .computeIfAbsent(
            new Place(log, logged.where().index(), logged.where().leaf()), _ -> new ArrayList<>(1))
        .add(item);
    add(logged.head());
    At index = new At(log, logged.where().index());
    Receipt.Logged before = leaves.putIfAbsent(index, logged);
    if (before != null && !before.where().leaf().equals(logged.where().leaf())) {
      twoLeaves.putIfAbsent(index, new Contradiction.Fork(before, logged));
    }
  }

  /// Holds a statement against the others about the same log.
  void add(Court.Statement statement) {
    if (statement.size() == 0) {
      return; // an empty log has one root, and the court takes none of it
    }
    At size = new At(statement.log(), statement.size());
    Court.Statement before = roots.putIfAbsent(size, statement);
    if (before != null && !before.root().equals(statement.root())) {
      twoRoots.putIfAbsent(size, new Contradiction.Equivocation(before, statement));
    }
  }

  /// How many receipts were read.
  int count() {
    return count;
  }

  List<Wrong> wrong() {
    return wrong;
  }

  /// The records, in the order of the files, each with its receipts.
  SequencedMap<Place, List<Item>> records() {
    return records;
  }

  /// The keys whose logs the receipts are of.
  Set<Address> logs() {
    return logs;
  }

  /// What a log's key is guilty of, if of anything; one is enough.
  Optional<Contradiction> of(Address log) {
    for (SequencedMap<At, Contradiction> all : List.of(twoRoots, twoLeaves)) {
      for (Map.Entry<At, Contradiction> one : all.entrySet()) {
        if (one.getKey().log().equals(log)) {
          return Optional.of(one.getValue());
        }
      }
    }
    return Optional.empty();
  }

  /// Whether a record, or a head that one of its receipts shows, is contradicted.
  boolean isContradicted(Place place) {
    return twoLeaves.containsKey(new At(place.log(), place.index()))
        || records.getOrDefault(place, List.of()).stream()
            .anyMatch(i -> twoRoots.containsKey(new At(place.log(), i.logged().head().size())));
  }
}
