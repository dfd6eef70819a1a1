package dev.perseid.node;

/// How a pool takes payments that come with requests (x402).
///
/// @param open whether it takes any
/// @param exactFee microcredits that a payment by `exact` costs beside its request: it costs the
///   pool a transaction, whatever it is worth, and who is given back what it did not use would
///   otherwise have the pool burn gas for nothing
public record PaymentTerms(boolean open, long exactFee) {
  /// Open, with a fee of a tenth of a cent, which is what a transaction costs where gas is cheap.
  public static final PaymentTerms USUAL = new PaymentTerms(true, 1_000);

  /// @throws IllegalArgumentException with what is wrong and what to write instead
  public PaymentTerms {
    if (exactFee < 0 || exactFee > 1_000_000_000) {
      throw new IllegalArgumentException(
          "a fee of " + exactFee + " microcredits for a payment: write 0 to 1000000000");
    }
  }
}
