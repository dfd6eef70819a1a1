package dev.perseid.core;

/// One movement of money, or one promise of it. All of them, in order, are a projection of the log:
/// what statements are made of.
///
/// @param number from 0, without gaps
/// @param atUs microseconds since the epoch by the pool's clock
/// @param from who gives; the zero address stands for what is outside: issuance, the chain
/// @param to who gets; the same as `from` if it only goes from one pot to another
/// @param amount microcredits; of [Kind#VOUCHER] what the voucher promises in all
/// @param fromAfter what the giver holds after it; all zero for the outside
/// @param toAfter what the other holds after it; equal to `fromAfter` if it is the same account
public record Movement(
    long number,
    long atUs,
    Kind kind,
    Address from,
    Address to,
    long amount,
    Holding fromAfter,
    Holding toAfter,
    Ref ref) {
  /// What an account holds, microcredits: to spend, reserved for jobs and on its tab, and earned
  /// but not paid out.
  public record Holding(long free, long reserved, long due) {
    /// Nothing.
    public static final Holding NONE = new Holding(0, 0, 0);
  }

  /// What moves. A value's code in the journal is its place in this list, for ever.
  public enum Kind {
    /// The operator granted credits: from outside to free.
    GRANT,
    /// A deposit was seen in the consumer's purse: from outside to free.
    DEPOSIT,
    /// A payment was taken ahead (x402 `exact`): from outside to free.
    PREPAYMENT,
    /// A job's budget, or a tab: from free to reserved.
    RESERVATION,
    /// What a job or tab did not use: from reserved to free.
    REFUND,
    /// What a provider gets of a charge: from the consumer's reserved to the provider's due, or to
    /// its free where earnings can be spent at once.
    CHARGE,
    /// What a model's author gets of a charge, likewise.
    ROYALTY,
    /// What the pool gets of a charge, likewise.
    SHARE,
    /// The pool's money for audits: from free to free.
    AUDIT,
    /// A consumer signed a voucher. Nothing moves.
    VOUCHER,
    /// A voucher was redeemed, of which the amount was new. Nothing moves.
    REDEEMED,
    /// Earnings went out: from due to outside, or to free on credits.
    PAYOUT,
    /// A payment taken ahead is given back: from free to due.
    RETURN,
    /// A leaving consumer's voucher is redeemed for more than was spent: from free to due.
    EXCESS,
    /// A consumer took its money out: from free to outside.
    EXIT,
    /// A consumer's money had left before its vouchers were redeemed: the pool's loss, which stands
    /// against what it owes. From the loss (outside) to outside. Nothing moves in the account.
    LOSS,
    /// What a consumer that had caused a loss owes is taken from what it has again: from free to
    /// outside.
    REPAID,
    /// The pool moved to another kind of money, and what was due became free.
    MOVED,
    /// A payment taken ahead is not on the chain any more: from free to outside.
    REVERSAL,
    /// A provider was found out, and what it got for results that nobody had confirmed is taken
    /// back: from its due, or its free where earnings can be spent at once, to the consumer's
    /// reserved.
    CLAWBACK
  }

  /// Why it moved.
  public sealed interface Ref {
    /// A job.
    record OfJob(JobId job) implements Ref {}

    /// A record, and what it is of: a job's task, or a tab's request.
    record OfRecord(long index, JobId job, String task) implements Ref {}

    /// The tab of the consumer.
    record OfTab() implements Ref {}

    /// An epoch; the transaction is zero on credits.
    record OfEpoch(long epoch, Hash txHash) implements Ref {}

    /// Seen on the chain at this block.
    record OfBlock(long block) implements Ref {}

    /// A payment.
    record OfPayment(Hash payment) implements Ref {}

    /// What the operator wrote, or a word.
    record OfMemo(String memo) implements Ref {}
  }
}
