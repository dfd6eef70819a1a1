package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Bond;
import dev.perseid.core.Hash;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// What identities have at stake under one arbiter, in blocks that are deep enough. How much it is
/// is read from the state, of whomever one asks for. Who paid it only logs say: those are followed
/// from the beginning, and kept in memory, so that a new reader reads all again. Used by one
/// thread.
public final class BondReader {
  /// What is at stake for an identity, in the collateral's unit, after haircuts.
  ///
  /// @param value without what is leaving
  /// @param reachable with what is leaving: of all this a slashing takes its part
  /// @param isValued whether each vault of which something is held said what that is worth; what it
  ///   did not say counts nothing, but can be taken all the same
  /// @param isTraced whether the logs that were followed account for all that is held
  public record Stake(long value, long reachable, boolean isValued, boolean isTraced) {}

  private static final List<Hash> KINDS =
      List.of(
          Collateral.BONDED,
          Collateral.LEAVING,
          Collateral.STAYED,
          Collateral.WITHDRAWN,
          Collateral.SLASHED);

  private static final List<Hash> TRANSFER = List.of(Token.TRANSFER);

  private static final BigInteger PERMILLE = BigInteger.valueOf(1_000);

  /// Of so many shares a vault is asked what they are worth: many, because some vaults round.
  private static final BigInteger SHARES = BigInteger.TEN.pow(30);

  /// What the logs say of one identity since it had nothing here last. All by the assets' numbers,
  /// in their own units.
  private static final class Row {
    final BigInteger[] there;
    final BigInteger[] paid;
    final Map<Address, BigInteger[]> payers = new HashMap<>();

    Row(int assets) {
      this.there = zeros(assets);
      this.paid = zeros(assets);
    }
  }

  private static BigInteger[] zeros(int count) {
    BigInteger[] zeros = new BigInteger[count];
    Arrays.fill(zeros, BigInteger.ZERO);
    return zeros;
  }

  /// What one log says.
  ///
  /// @param amount what came of an asset; below zero what went
  /// @param payer who paid it; empty if it went, or only changed its state
  private record Step(
      long block, Address identity, int asset, BigInteger amount, Optional<Address> payer) {}

  private final Chain chain;
  private final Collateral collateral;
  private final Address arbiter;
  private final int confirmations;
  private final LogReader logs;
  private final Map<Address, Row> rows = new HashMap<>();
  private final Set<Address> changed = new LinkedHashSet<>();
  private Cursor cursor;
  private List<Collateral.Asset> assets = List.of();

  /// What [#SHARES] units of each asset are worth in the collateral's unit, after haircuts; empty
  /// of a vault that did not say it.
  private List<Optional<BigInteger>> worth = List.of();

  /// @param arbiter who could slash it
  /// @param fromBlock the collateral did nothing before
  /// @param confirmations how deep a block must be, itself counted
  public BondReader(
      Chain chain, Address collateral, Address arbiter, long fromBlock, int confirmations) {
    this(chain, collateral, arbiter, fromBlock, confirmations, Limits.LOG_BLOCKS);
  }

  /// @param logBlocks of how many blocks logs are asked at once
  BondReader(
      Chain chain,
      Address collateral,
      Address arbiter,
      long fromBlock,
      int confirmations,
      long logBlocks) {
    this.chain = chain;
    this.collateral = new Collateral(chain, collateral);
    this.arbiter = arbiter;
    this.confirmations = confirmations;
    this.logs = new LogReader(chain, fromBlock, logBlocks);
    this.cursor = logs.start();
  }

  // ---- how much ---------------------------------------------------------------------------------

  /// The newest block that is deep enough.
  public Head head() throws ChainException {
    chain.checkId();
    return chain.confirmed(confirmations);
  }

  /// What is at stake for each of these, as the state of a block says.
  public Map<Address, Stake> stakes(Collection<Address> identities, Head at) throws ChainException {
    List<Address> who = List.copyOf(identities);
    Map<Address, Stake> stakes = new LinkedHashMap<>();
    if (who.isEmpty()) {
      return stakes;
    }
    List<Collateral.Asset> all = assets(at);
    List<Optional<BigInteger>> rates = new ArrayList<>();
    for (Collateral.Asset asset : all) {
      rates.add(worth(asset, at));
    }
    List<List<Collateral.Held>> held = collateral.held(who, arbiter, all.size(), At.block(at));
    worth = List.copyOf(rates);
    boolean isFollowed = cursor.equals(new Cursor(at.number(), at.hash()));
    for (int i = 0; i < who.size(); i++) {
      BigInteger[] active = new BigInteger[all.size()];
      BigInteger[] reachable = new BigInteger[all.size()];
      boolean isValued = true;
      for (int asset = 0; asset < all.size(); asset++) {
        Collateral.Held of = held.get(i).get(asset);
        active[asset] = of.active();
        reachable[asset] = of.active().add(of.leaving());
        isValued &= reachable[asset].signum() == 0 || worth.get(asset).isPresent();
      }
      Row row = rows.get(who.get(i));
      BigInteger[] there = row == null ? zeros(all.size()) : row.there;
      stakes.put(
          who.get(i),
          new Stake(
              small(valued(active)),
              small(valued(reachable)),
              isValued,
              isFollowed && Arrays.equals(there, reachable)));
    }
    return stakes;
  }

  private List<Collateral.Asset> assets(Head at) throws ChainException {
    if (assets.isEmpty()) {
      assets = collateral.assets(At.block(at)); // those of its constructor
      worth = assets.stream().map(a -> Optional.of(afterHaircut(a, SHARES))).toList();
    }
    return assets;
  }

  /// A vault that cannot say what it is worth counts nothing, as in the contract.
  private Optional<BigInteger> worth(Collateral.Asset asset, Head at) throws ChainException {
    if (!asset.vault()) {
      return Optional.of(afterHaircut(asset, SHARES));
    }
    byte[] ask = Abi.call("convertToAssets(uint256)", Abi.uint(SHARES));
    byte[] said =
        chain.tryCall(asset.token(), ask, Limits.WORTH_GAS, At.block(at)).orElse(new byte[0]);
    return said.length < 32
        ? Optional.empty()
        : Optional.of(afterHaircut(asset, new AbiReader(said).uint(0)));
  }

  private static BigInteger afterHaircut(Collateral.Asset asset, BigInteger amount) {
    return amount.multiply(BigInteger.valueOf(1_000 - asset.haircutPermille())).divide(PERMILLE);
  }

  private BigInteger valued(BigInteger[] amounts) {
    BigInteger sum = BigInteger.ZERO;
    for (int asset = 0; asset < amounts.length; asset++) {
      BigInteger rate = worth.get(asset).orElse(BigInteger.ZERO);
      sum = sum.add(amounts[asset].multiply(rate).divide(SHARES));
    }
    return sum;
  }

  private static long small(BigInteger value) {
    return value.bitLength() > 63 ? Long.MAX_VALUE : value.longValueExact();
  }

  // ---- who paid ---------------------------------------------------------------------------------

  /// Reads on who paid what, at most [Limits#BOND_PARTS] times [Limits#LOG_BLOCKS] blocks.
  ///
  /// @param to up to this block
  /// @param untilNs no more is begun when [System#nanoTime] has passed this
  /// @return whether all is read; before that [#funder] does not say who it is
  /// @throws ChainException if the chain cannot be asked or is not to be believed; nothing is
  ///   forgotten
  public boolean follow(Head to, long untilNs) throws ChainException {
    Hash topic = Abi.topic(arbiter);
    int most = Limits.BOND_BLOCKS;
    for (int i = 0; i < Limits.BOND_PARTS && most > 0; i++) {
      if (i > 0 && System.nanoTime() - untilNs > 0) {
        return false;
      }
      Optional<LogReader.Part> read =
          logs.after(
              cursor,
              to,
              (from, end) -> chain.logsOfThird(collateral.address(), KINDS, topic, from, end));
      if (read.isEmpty()) {
        return false;
      }
      LogReader.Part part = read.get();
      if (part.isRewound()) {
        changed.addAll(rows.keySet());
        rows.clear();
        cursor = logs.start();
      }
      most -= take(part, most, untilNs);
      if (cursor.block() == to.number()) {
        return true;
      }
    }
    return false;
  }

  /// Whose bonds may have changed, by what was read since this was asked last.
  public Set<Address> takeChanged() {
    Set<Address> taken = new LinkedHashSet<>(changed);
    changed.clear();
    return taken;
  }

  /// Who paid more than half of all that was bonded for an identity since it had nothing here last,
  /// by what the assets are worth now; empty if nobody did, or nothing is bonded for it.
  public Optional<Address> funder(Address identity) {
    Row row = rows.get(identity);
    if (row == null) {
      return Optional.empty();
    }
    BigInteger all = valued(row.paid);
    return row.payers.entrySet().stream()
        .filter(p -> valued(p.getValue()).shiftLeft(1).compareTo(all) > 0)
        .map(Map.Entry::getKey)
        .findFirst();
  }

  /// Takes what was read, up to the last block whose bonds may still be asked about.
  ///
  /// @param most blocks of which it may be asked who paid
  /// @return of how many it was
  private int take(LogReader.Part part, int most, long untilNs) throws ChainException {
    int count = assets(part.to()).size();
    Cursor end = part.cursor();
    Map<String, List<Log>> transfers = new HashMap<>();
    Set<Long> blocks = new LinkedHashSet<>();
    // All is understood before anything is kept: what cannot be understood is asked again.
    List<Step> steps = new ArrayList<>();
    for (Log log : part.logs()) {
      Hash kind = log.topics().get(0);
      AbiReader data = new AbiReader(log.data());
      Address identity = log.address(1);
      if (kind.equals(Collateral.BONDED)) {
        boolean enough =
            blocks.size() >= most || (!blocks.isEmpty() && System.nanoTime() - untilNs > 0);
        if (enough && !blocks.contains(log.block())) {
          end = before(log);
          break;
        }
        blocks.add(log.block());
        int asset = asset(number(log, 3), count);
        String place = log.block() + "/" + asset;
        List<Log> there = transfers.get(place);
        if (there == null) {
          Hash here = Abi.topic(collateral.address());
          there = chain.logsBeside(log, assets.get(asset).token(), TRANSFER, here);
          transfers.put(place, there);
        }
        steps.add(
            new Step(log.block(), identity, asset, data.uint(0), Optional.of(payer(log, there))));
      } else if (kind.equals(Collateral.WITHDRAWN)) {
        int asset = asset(number(log, 3), count);
        steps.add(new Step(log.block(), identity, asset, data.uint(1).negate(), Optional.empty()));
      } else if (kind.equals(Collateral.SLASHED)) {
        int asset = asset(data.small(0), count);
        steps.add(new Step(log.block(), identity, asset, data.uint(1).negate(), Optional.empty()));
      } else {
        steps.add(new Step(log.block(), identity, 0, BigInteger.ZERO, Optional.empty()));
      }
    }
    for (Step step : steps) {
      if (step.block() <= end.block()) {
        take(step, count);
      }
    }
    cursor = end;
    return blocks.size();
  }

  private void take(Step step, int count) {
    Address identity = step.identity();
    changed.add(identity);
    Row row = rows.get(identity);
    if (row == null) {
      if (step.payer().isEmpty()) {
        return; // of what came before it was let go
      }
      if (rows.size() >= Limits.BONDED) {
        // Little counts nothing, whoever paid it.
        BigInteger least = BigInteger.valueOf(Bond.LEAST);
        rows.values().removeIf(one -> valued(one.there).compareTo(least) < 0);
      }
      if (rows.size() >= Limits.BONDED) {
        return;
      }
      row = new Row(count);
      rows.put(identity, row);
    }
    int asset = step.asset();
    row.there[asset] = row.there[asset].add(step.amount()).max(BigInteger.ZERO);
    if (step.payer().isPresent()) {
      Address payer = step.payer().get();
      row.paid[asset] = row.paid[asset].add(step.amount());
      BigInteger[] paid = row.payers.computeIfAbsent(payer, _ -> zeros(count));
      paid[asset] = paid[asset].add(step.amount());
      if (row.payers.size() > Limits.PAYERS) {
        row.payers.remove(leastOf(row.payers));
      }
    } else if (Arrays.stream(row.there).allMatch(there -> there.signum() == 0)) {
      rows.remove(identity);
    }
  }

  private Address leastOf(Map<Address, BigInteger[]> payers) {
    return Collections.min(
            payers.entrySet(), Comparator.comparing(payer -> valued(payer.getValue())))
        .getKey();
  }

  /// The block before a log's, if the log's is still there.
  private Cursor before(Log log) throws ChainException {
    Head block = chain.block(log.block());
    if (!block.hash().equals(log.blockHash())) {
      throw Chain.changed(log.block());
    }
    return new Cursor(block.number() - 1, block.parent());
  }

  private static long number(Log log, int topic) throws ChainException {
    if (log.topics().size() <= topic) {
      throw ChainException.untrusted("the node sent a log without its arguments");
    }
    return new AbiReader(log.topics().get(topic).bytes()).small(0);
  }

  private static int asset(long number, int count) throws ChainException {
    if (number >= count) {
      throw ChainException.untrusted(
          "the node sent a log of asset " + number + " of " + count + ", which cannot be");
    }
    return (int) number;
  }

  /// Whose tokens the contract took just before it said that they are bonded.
  private static Address payer(Log bonded, List<Log> transfers) throws ChainException {
    Log of = null;
    for (Log log : transfers) {
      boolean before =
          log.transaction().equals(bonded.transaction()) && log.index() < bonded.index();
      if (before && (of == null || of.index() < log.index())) {
        of = log;
      }
    }
    if (of == null) {
      throw ChainException.untrusted("the node sent a bond without the transfer that paid it");
    }
    return of.address(1);
  }
}
