package dev.perseid.node;

import dev.perseid.chain.BondReader;
import dev.perseid.chain.Call;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Collateral;
import dev.perseid.chain.Head;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Receipt;
import dev.perseid.core.Address;
import dev.perseid.core.Bond;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.stream.Collectors;

/// Sees to what providers have at stake on the chain where this pool may take it, and takes it from
/// those whose results were refuted. What one step cannot do keeps none of the others from being
/// done. Used by one thread.
final class BondKeeper {
  /// The contract's word that an evidence was used.
  private static final String TAKEN_BEFORE = "AlreadySlashed";

  private static final String SLASH = "slash-";

  /// What was read last of one provider.
  private record Seen(BondReader.Stake stake, Head at) {}

  private final BondReader reader;
  private final Collateral collateral;
  private final Outbox outbox;
  private final Address arbiter;
  private final Map<Address, Seen> seen = new HashMap<>();

  /// Whose bond may have changed since it was read last.
  private final Set<Address> changed = new LinkedHashSet<>();

  /// The newest block whose state was read.
  private long newest;

  // Of one look.
  private List<Command> news = new ArrayList<>();
  private List<String> troubles = new ArrayList<>();
  private long gas;

  /// @param arbiter the pool, whose key the outbox has
  BondKeeper(BondReader reader, Collateral collateral, Outbox outbox, Address arbiter) {
    this.reader = reader;
    this.collateral = collateral;
    this.outbox = outbox;
    this.arbiter = arbiter;
  }

  /// Looks once; see [Vault#bonds].
  Vault.Bonds look(List<Vault.Bonded> known, LongFunction<Hash> leaf) {
    news = new ArrayList<>();
    troubles = new ArrayList<>();
    gas = 0;
    try {
      Head at = reader.head();
      if (at.number() < newest) {
        throw new ChainException(
            ChainException.Kind.UNREACHABLE,
            "the node is at block "
                + at.number()
                + " and was at block "
                + newest
                + " before: bonds are seen to when it is there again");
      }
      boolean isFollowed = follow();
      read(known, at);
      newest = at.number();
      for (Vault.Bonded p : known) {
        tell(p, isFollowed);
      }
      collect(known, at, leaf);
    } catch (ChainException e) {
      troubles.add(e.text());
    }
    return new Vault.Bonds(List.copyOf(news), gas, troubles.isEmpty() ? "" : troubles.getFirst());
  }

  /// @return whether it is known who paid what
  private boolean follow() {
    boolean isFollowed = false;
    try {
      isFollowed = reader.follow();
    } catch (ChainException e) {
      troubles.add("it is not known who paid bonds, so that no new ones count: " + e.text());
    }
    changed.addAll(reader.takeChanged());
    return isFollowed;
  }

  /// Reads what may have changed: first of those never looked at, of those of whom the logs tell
  /// something, and of those who owe; then of those not looked at for long, because shares change
  /// their worth without a word.
  private void read(List<Vault.Bonded> known, Head at) throws ChainException {
    Set<Address> all = new LinkedHashSet<>();
    Set<Address> now = new LinkedHashSet<>();
    Set<Address> later = new LinkedHashSet<>();
    for (Vault.Bonded p : known) {
      Address provider = p.provider();
      all.add(provider);
      Seen last = seen.get(provider);
      boolean isSame = last != null && last.at().hash().equals(at.hash());
      if (last == null || (!isSame && (changed.contains(provider) || !p.owes().isEmpty()))) {
        now.add(provider);
      } else if (last.at().number() + MoneyLimits.STAKE_BLOCKS <= at.number()) {
        later.add(provider);
      }
    }
    seen.keySet().retainAll(all);
    changed.retainAll(all);
    now.addAll(later);
    Set<Address> these =
        now.stream().limit(MoneyLimits.STAKES).collect(Collectors.toCollection(LinkedHashSet::new));
    reader.stakes(these, at).forEach((who, stake) -> seen.put(who, new Seen(stake, at)));
    changed.removeAll(these);
  }

  /// Tells what is at stake now. While nobody knows who paid it, it can become less but not more:
  /// else two of one funder could speak for each other.
  private void tell(Vault.Bonded p, boolean isFollowed) {
    Address provider = p.provider();
    Seen now = seen.get(provider);
    if (now == null) {
      return;
    }
    Bond bond = p.bond();
    long value = now.stake().value();
    long amount = isFollowed ? value : Math.min(value, bond.amount());
    Optional<Address> funder = isFollowed ? reader.funder(provider) : bond.funder();
    if (amount != bond.amount() || (amount > 0 && !funder.equals(bond.funder()))) {
      news.add(new Command.SeeBond(provider, amount, funder));
    }
  }

  /// Takes what is owed, as far as there is enough to be worth it.
  private void collect(List<Vault.Bonded> known, Head at, LongFunction<Hash> leaf)
      throws ChainException {
    outbox.tick();
    int open = 0;
    for (String name : outbox.pending().keySet()) {
      open += name.startsWith(SLASH) ? 1 : 0;
    }
    int room = MoneyLimits.PENALTIES - open;
    for (Vault.Bonded p : known) {
      Address provider = p.provider();
      Seen now = seen.get(provider);
      if (p.owes().isEmpty() || now == null || !now.at().hash().equals(at.hash())) {
        continue;
      }
      for (long entry : p.owes()) {
        String name = name(provider, entry);
        if (now.stake().reachable() < Bond.LEAST && outbox.state(name).isEmpty()) {
          news.add(new Command.SeePenalty(provider, entry));
          continue;
        }
        if (outbox.state(name).isEmpty()) {
          if (room == 0) {
            continue;
          }
          room = submit(name, provider, entry, leaf.apply(entry)) ? room - 1 : 0;
        }
        outbox.state(name).ifPresent(state -> tell(provider, entry, state));
      }
    }
  }

  /// The name of what takes a part of a bond for one result. What failed, e.g. because somebody
  /// made it dearer meanwhile, is sent anew under another.
  private String name(Address provider, long entry) {
    String what = SLASH + provider + "-" + entry + "-" + collateral.address();
    String name = what;
    for (int attempt = 2; attempt <= MoneyLimits.SLASH_TRIES && failed(name); attempt++) {
      name = what + "-" + attempt;
    }
    return name;
  }

  private boolean failed(String name) {
    return outbox
        .state(name)
        .filter(state -> state instanceof Outbox.State.Displaced || isUnexplained(state))
        .isPresent();
  }

  private static boolean isUnexplained(Outbox.State state) {
    return state instanceof Outbox.State.Failed failed
        && failed.why().filter(why -> why.error().equals(TAKEN_BEFORE)).isEmpty();
  }

  /// @return whether others may be submitted too
  private boolean submit(String name, Address provider, long entry, Hash evidence) {
    Call slash = collateral.slash(provider, Bond.TAKEN_PERMILLE, evidence, arbiter);
    try {
      outbox.submit(
          name,
          slash,
          Outbox.Again.HARMLESS,
          new Outbox.Room(MoneyLimits.SLASH_ROOM_GAS, MoneyLimits.SETTLE_GAS));
      return true;
    } catch (ChainException e) {
      if (e.revert().filter(why -> why.error().equals(TAKEN_BEFORE)).isPresent()) {
        news.add(new Command.SeePenalty(provider, entry)); // by this pool with another outbox
        return true;
      }
      troubles.add("what results cost cannot be taken of bonds: " + e.text());
      return e.kind() == ChainException.Kind.REVERTED;
    }
  }

  private void tell(Address provider, long entry, Outbox.State state) {
    switch (state) {
      case Outbox.State.Waiting _, Outbox.State.Included _ -> {}
      case Outbox.State.Done(Receipt receipt) -> {
        gas += receipt.gasUsed();
        news.add(new Command.SeePenalty(provider, entry));
      }
      case Outbox.State.Failed failed when !isUnexplained(failed) -> {
        gas += failed.receipt().gasUsed();
        news.add(new Command.SeePenalty(provider, entry));
      }
      case Outbox.State.Failed _, Outbox.State.Displaced _ ->
          troubles.add(
              "what record "
                  + entry
                  + " costs provider "
                  + provider
                  + " could not be taken of its bond: "
                  + Outbox.describe(state));
    }
  }
}
