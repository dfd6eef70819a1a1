package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.MoneyProto;
import java.util.Optional;

/// Where a pool's money rests, and what vouchers to it are signed for.
///
/// @param escrow whether on a chain
/// @param vouched whether work is done only for who signed vouchers
/// @param chainId 0 where there is no chain
/// @param contract the `Escrow`; on credits the pool's key
/// @param token on a chain only
/// @param identity `pool` in vouchers; on credits the pool's key
public record VoucherTerms(
    boolean escrow,
    boolean vouched,
    long chainId,
    Address contract,
    Optional<Address> token,
    Address identity) {
  private static final String ESCROW = "escrow";
  private static final String CREDITS = "credits";

  /// What a consumer signs to owe so much in all.
  public Hash digest(Address consumer, long cumulative) {
    return Digests.voucher(chainId, contract, consumer, identity, cumulative);
  }

  /// `credits` or `escrow`.
  public String ledger() {
    return escrow ? ESCROW : CREDITS;
  }

  MoneyProto.MoneyTerms write() {
    MoneyProto.MoneyTerms.Builder b =
        MoneyProto.MoneyTerms.newBuilder()
            .setLedger(ledger())
            .setVouched(vouched)
            .setChainId(chainId)
            .setVerifyingContract(Translation.bytes(contract))
            .setIdentity(Translation.bytes(identity));
    token.ifPresent(t -> b.setToken(Translation.bytes(t)));
    return b.build();
  }

  static VoucherTerms read(MoneyProto.MoneyTerms m) throws Malformed {
    boolean escrow = m.getLedger().equals(ESCROW);
    if (!escrow && !m.getLedger().equals(CREDITS)) {
      throw new Malformed(
          "terms.ledger is '" + m.getLedger() + "': this program knows credits and escrow");
    }
    if (m.getChainId() < 0 || (m.getChainId() == 0) == escrow) {
      throw new Malformed("terms.chain_id is " + m.getChainId() + " for " + m.getLedger());
    }
    return new VoucherTerms(
        escrow,
        m.getVouched(),
        m.getChainId(),
        Translation.address(m.getVerifyingContract(), "terms.verifying_contract"),
        escrow ? Optional.of(Translation.address(m.getToken(), "terms.token")) : Optional.empty(),
        Translation.address(m.getIdentity(), "terms.identity"));
  }
}
