package dev.perseid.node;

import dev.perseid.chain.BondReader;
import dev.perseid.chain.Call;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Collateral;
import dev.perseid.chain.Head;
import dev.perseid.chain.Limits;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Receipt;
import dev.perseid.core.Address;
import dev.perseid.core.Bond;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongFunction;

/// Sees to what providers have at stake on the chain where this pool may take it, and takes it from
/// those whose results were refuted. What one step cannot do keeps none of the others from being
/// done. Used by one thread.
final class BondKeeper {
  private static final String SLASH = "slash-";

  /// What was read last of one provider.
  ///
  /// @param isFollowed whether all that the logs say was known then
  private record Seen(BondReader.Stake stake, Head at, boolean isFollowed) {}

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
  private long untilNs;

  /// @param arbiter the pool, whose key the outbox has
  BondKeeper(BondReader reader, Collateral collateral, Outbox outbox, Address arbiter) {
    this.reader = reader;
    this.collateral = collateral;
    this.outbox = outbox;
    this.arbiter = arbiter;
  }

  /// Looks once; see [Vault#bonds].
  Vault.Bonds look(Vault.Stakers known, LongFunction<Hash> leaf) {
    news = new ArrayList<>();
    troubles = new ArrayList<>();
    gas = 0;
    untilNs = System.nanoTime() + MoneyLimits.BOND_LOOK_MS * 1_000_000;
    try {
      Head at = reader.head();
      newest = Math.max(newest, known.block());
      if (at.number() < newest) {
        throw new ChainException(
            ChainException.Kind.UNREACHABLE,
            "the node is at block "
                + at.number()
                + " and was at block "
                + newest
                + " before: bonds are seen to when it is there again");
      }
      boolean isFollowed = follow(at);
      read(known.all(), at, isFollowed);
      newest = at.number();
      for (Vault.Staker p : known.all()) {
        tell(p, isFollowed);
      }
      collect(known.all(), at, leaf);
    } catch (ChainException e) {
      troubles.add(e.text());
    }
    return new Vault.Bonds(List.copyOf(news), gas, troubles.isEmpty() ? "" : troubles.getFirst());
  }

  /// @return whether it is known who paid what
  private boolean follow(Head at) {
    boolean isFollowed = false;
    try {
      isFollowed = reader.follow(at, untilNs);
    } catch (ChainException e) {
      troubles.add("it is not known who paid bonds, so that no new ones count: " + e.text());
    }
    changed.addAll(reader.takeChanged());
    return isFollowed;
  }

  /// Reads what may have changed: of those never looked at, of those of whom the logs tell
  /// something, of those who owe, and of those not looked at for long, because shares change their
  /// worth without a word. Of each kind those first that were looked at longest ago.
  private void read(List<Vault.Staker> known, Head at, boolean isFollowed) throws ChainException {
    Set<Address> all = new HashSet<>();
    List<Address> now = new ArrayList<>();
    List<Address> later = new ArrayList<>();
    for (Vault.Staker p : known) {
      Address provider = p.provider();
      all.add(provider);
      Seen last = seen.get(provider);
      boolean isSame = last != null && last.at().hash().equals(at.hash());
      if (last == null
          || (isFollowed && !last.isFollowed())
          || (!isSame && (changed.contains(provider) || !p.owes().isEmpty()))) {
        now.add(provider);
      } else if (last.at().number() + MoneyLimits.STAKE_BLOCKS <= at.number()) {
        later.add(provider);
      }
    }
    seen.keySet().retainAll(all);
    changed.retainAll(all);
    Comparator<Address> longestAgo = Comparator.comparingLong(this::readAt);
    now.sort(longestAgo);
    later.sort(longestAgo);
    int kept = Math.min(later.size(), MoneyLimits.STAKES / 4);
    Set<Address> these = new LinkedHashSet<>();
    now.stream().limit(MoneyLimits.STAKES - kept).forEach(these::add);
    later.stream().limit(MoneyLimits.STAKES - these.size()).forEach(these::add);
    reader
        .stakes(these, at)
        .forEach((who, stake) -> seen.put(who, new Seen(stake, at, isFollowed)));
    changed.removeAll(these);
  }

  private long readAt(Address provider) {
    Seen last = seen.get(provider);
    return last == null ? -1 : last.at().number();
  }

  /// Tells what is at stake now. While nobody knows who paid it, it can become less but not more:
  /// else two of one funder could speak for each other.
  private void tell(Vault.Staker p, boolean isFollowed) {
    Address provider = p.provider();
    Seen now = seen.get(provider);
    if (now == null) {
      return;
    }
    Bond bond = p.bond();
    long value = now.stake().value();
    boolean isKnown = isFollowed && now.stake().isTraced();
    long amount = isKnown ? value : Math.min(value, bond.amount());
    Optional<Address> funder =
        amount == 0 ? Optional.empty() : isKnown ? reader.funder(provider) : bond.funder();
    if (isNews(bond, amount, funder)) {
      news.add(new Command.SeeBond(provider, amount, funder));
    }
  }

  /// Whether it matters: each is an event that is kept for ever, and shares of vaults change their
  /// worth with each block.
  private static boolean isNews(Bond bond, long amount, Optional<Address> funder) {
    long before = bond.amount();
    boolean isOther = (amount == 0) != (before == 0) || isMuch(amount) != isMuch(before);
    boolean isByOther = isMuch(amount) && !funder.equals(bond.funder());
    return isOther || isByOther || Math.abs(amount - before) > before / MoneyLimits.BOND_SHARE;
  }

  private static boolean isMuch(long amount) {
    return amount >= Bond.LEAST;
  }

  /// Takes what is owed, as far as there is enough to be worth it.
  private void collect(List<Vault.Staker> known, Head at, LongFunction<Hash> leaf)
      throws ChainException {
    outbox.tick();
    int open = 0;
    for (String name : outbox.pending().keySet()) {
      open += name.startsWith(SLASH) ? 1 : 0;
    }
    int room = MoneyLimits.PENALTIES - open;
    for (Vault.Staker p : known) {
      Address provider = p.provider();
      Seen now = seen.get(provider);
      if (p.owes().isEmpty() || now == null || !now.at().hash().equals(at.hash())) {
        continue;
      }
      BondReader.Stake stake = now.stake();
      boolean isLittle = stake.isValued() && stake.reachable() < Bond.LEAST;
      for (long entry : p.owes()) {
        String name = name(provider, entry);
        if (outbox.state(name).isEmpty()) {
          if (isLittle) {
            news.add(new Command.SeePenalty(provider, entry));
          } else if (room > 0 && System.nanoTime() - untilNs < 0) {
            room = submit(name, provider, entry, leaf.apply(entry), at) ? room - 1 : 0;
          }
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
        .filter(state ->
            state instanceof Outbox.State.Displaced || state instanceof Outbox.State.Failed)
        .isPresent();
  }

  /// @return whether others may be submitted too
  private boolean submit(String name, Address provider, long entry, Hash evidence, Head at) {
    Call slash = collateral.slash(provider, Bond.TAKEN_PERMILLE, evidence, arbiter);
    try {
      outbox.submit(
          name,
          slash,
          Outbox.Again.HARMLESS,
          new Outbox.Room(MoneyLimits.SLASH_ROOM_GAS, Limits.TRANSACTION_GAS));
      return true;
    } catch (ChainException e) {
      if (e.revert().filter(why -> why.error().equals(Collateral.USED)).isPresent()) {
        return usedBefore(provider, entry, slash, at);
      }
      troubles.add("what results cost cannot be taken of bonds: " + e.text());
      return e.kind() == ChainException.Kind.REVERTED;
    }
  }

  /// One node says that it was taken before, e.g. by this pool with another outbox. That counts
  /// when all say so of a block that is deep enough.
  private boolean usedBefore(Address provider, long entry, Call slash, Head at) {
    try {
      if (collateral.isUsed(slash, arbiter, at)) {
        news.add(new Command.SeePenalty(provider, entry));
      }
      return true;
    } catch (ChainException e) {
      troubles.add(e.text());
      return false;
    }
  }

  private void tell(Address provider, long entry, Outbox.State state) {
    switch (state) {
      case Outbox.State.Waiting _, Outbox.State.Included _ -> {}
      case Outbox.State.Done(Receipt receipt) -> {
        gas += receipt.gasUsed();
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
