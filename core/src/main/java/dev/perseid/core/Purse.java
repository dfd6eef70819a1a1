package dev.perseid.core;

import java.util.Map;
import java.util.NavigableMap;
import java.util.OptionalLong;
import java.util.TreeMap;

/// What backs the spending of one consumer, where vouchers are asked for. What it has is in its
/// account; here stands what it promised. Of every purse but the pool's own: `funded - spent + lost
/// + prepaid` is what the account holds, free and reserved.
final class Purse {
  /// All that came in, less what left by exits.
  long funded;

  /// All that was charged and not prepaid.
  long spent;

  /// What the pool has redeemed.
  long redeemed;

  /// What is left of payments taken ahead.
  long prepaid;

  /// When the rest may leave; 0 if the consumer stays.
  long leavingAtUs;

  /// What was spent and is not in the purse any more.
  long lost;

  /// Holds of open leases, and the tab. Follows from them.
  long inFlight;

  /// When it was charged or paid for ahead last. A voucher alone costs nothing and is no use.
  long usedUs;

  /// Since when more is spent than can be redeemed by a voucher within it; of no meaning while all
  /// can.
  long owedUs;

  /// The block at which the chain's purse was read last; 0 on credits.
  long seenBlock;

  /// Vouchers above what was redeemed, with their signatures.
  final TreeMap<Long, String> rungs = new TreeMap<>();

  /// What vouchers promise.
  long cover() {
    return rungs.isEmpty() ? redeemed : Math.max(redeemed, rungs.lastKey());
  }

  boolean isLeaving() {
    return leavingAtUs != 0;
  }

  /// What may begin beyond what runs.
  ///
  /// @param trusted whether vouchers are worth anything now
  long room(boolean trusted) {
    long promised = Math.min(cover(), funded) - spent;
    if (isLeaving() || !trusted) {
      promised = Math.min(promised, 0);
    }
    return promised + prepaid - inFlight;
  }

  /// What was redeemed, or can be by a voucher that is within what was spent.
  long redeemable() {
    Long rung = rungs.floorKey(spent);
    return rung == null ? redeemed : Math.max(redeemed, rung);
  }

  /// Whether payees wait for something, and have for so long that a higher voucher is redeemed.
  boolean isOverdue(long nowUs) {
    return spent > redeemable() && nowUs - owedUs > Limits.IDLE_PURSE_MS * 1_000;
  }

  /// Takes what was charged: out of prepaid money first. Returns what was prepaid of it.
  long charge(long amount, long atUs) {
    long ahead = Math.min(prepaid, amount);
    prepaid -= ahead;
    long before = redeemable();
    boolean owed = spent > before;
    spent += amount - ahead;
    if (!owed || redeemable() > before) {
      owedUs = atUs;
    }
    usedUs = Math.max(usedUs, atUs);
    return ahead;
  }

  void redeem(long cumulative) {
    redeemed = Math.max(redeemed, cumulative);
    rungs.headMap(redeemed, true).clear();
  }

  /// Forgets rungs that no epoch would redeem any more: there is a higher one within what was
  /// spent.
  void prune() {
    Map.Entry<Long, String> highest = rungs.floorEntry(spent);
    if (highest != null) {
      rungs.headMap(highest.getKey()).clear();
    }
  }

  /// Forgets the rung that is missed least while there are too many above what was spent: the one
  /// whose neighbours are closest. The lowest and the highest stay. Who leaves between two rungs
  /// gets back what is beyond what it spent either way.
  void thin() {
    NavigableMap<Long, String> above = rungs.tailMap(spent, true);
    while (above.size() > Limits.VOUCHER_RUNGS) {
      long before = -1;
      long one = -1;
      long least = Long.MAX_VALUE;
      long missed = -1;
      for (long rung : above.keySet()) {
        if (before >= 0 && rung - before < least) {
          least = rung - before;
          missed = one;
        }
        before = one;
        one = rung;
      }
      above.remove(missed);
    }
  }

  void write(Out out) {
    out.number(funded);
    out.number(spent);
    out.number(redeemed);
    out.number(prepaid);
    out.number(leavingAtUs);
    out.number(lost);
    out.number(usedUs);
    out.number(owedUs);
    out.number(seenBlock);
    out.number(rungs.size());
    for (Map.Entry<Long, String> rung : rungs.entrySet()) {
      out.number(rung.getKey());
      out.text(rung.getValue());
    }
  }

  /// @param owed false if it does not have since when it owes: it is taken from its last use
  void read(In in, boolean owed) {
    funded = in.number();
    spent = in.number();
    redeemed = in.number();
    prepaid = in.number();
    leavingAtUs = in.number();
    lost = in.number();
    usedUs = in.number();
    owedUs = owed ? in.number() : usedUs;
    seenBlock = in.number();
    int count = in.count();
    for (int i = 0; i < count; i++) {
      rungs.put(in.number(), in.text());
    }
  }

  PurseView view(Address consumer) {
    return new PurseView(
        consumer,
        funded,
        spent,
        redeemed,
        prepaid,
        inFlight,
        cover(),
        lost,
        isLeaving() ? OptionalLong.of(leavingAtUs) : OptionalLong.empty(),
        rungs.entrySet().stream()
            .map(e -> new Voucher(consumer, e.getKey(), e.getValue()))
            .toList());
  }
}
