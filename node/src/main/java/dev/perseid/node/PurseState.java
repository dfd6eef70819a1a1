package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.MoneyProto;
import java.util.OptionalLong;

/// What a pool says of a consumer's purse. Amounts are microcredits.
///
/// @param funded all that came in
/// @param spent all that was charged since vouchers count
/// @param redeemed of that, what the pool has collected
/// @param prepaid by single payments, beside vouchers
/// @param signed the highest voucher that the pool holds
/// @param signature of it; empty if there is none
/// @param inFlight the most that what runs may still cost
/// @param wanted the least voucher that lets what waits go on; 0 if nothing waits for one
/// @param leavingAtUs when the consumer asked to leave
/// @param nextMovement number of the pool's next movement of money, of anybody
public record PurseState(
    Address consumer,
    VoucherTerms terms,
    long funded,
    long spent,
    long redeemed,
    long prepaid,
    long signed,
    String signature,
    long inFlight,
    long wanted,
    OptionalLong leavingAtUs,
    long nextMovement) {
  /// What vouchers and single payments cover and nothing has used yet.
  public long free() {
    return signed + prepaid - spent - inFlight;
  }

  MoneyProto.PurseReply write() {
    MoneyProto.PurseReply.Builder b =
        MoneyProto.PurseReply.newBuilder()
            .setConsumer(Translation.bytes(consumer))
            .setTerms(terms.write())
            .setFunded(funded)
            .setSpent(spent)
            .setRedeemed(redeemed)
            .setPrepaid(prepaid)
            .setSigned(signed)
            .setInFlight(inFlight)
            .setWanted(wanted)
            .setNextMovement(nextMovement);
    if (!signature.isEmpty()) {
      b.setSignature(Translation.signature(signature));
    }
    leavingAtUs.ifPresent(b::setLeavingAtUs);
    return b.build();
  }

  static PurseState read(MoneyProto.PurseReply m) throws Malformed {
    for (long amount :
        new long[] {
          m.getFunded(),
          m.getSpent(),
          m.getRedeemed(),
          m.getPrepaid(),
          m.getSigned(),
          m.getInFlight(),
          m.getWanted(),
          m.getNextMovement()
        }) {
      if (amount < 0) {
        throw new Malformed("an amount of the purse is " + amount + ": none may be below 0");
      }
    }
    return new PurseState(
        Translation.address(m.getConsumer(), "consumer"),
        VoucherTerms.read(m.getTerms()),
        m.getFunded(),
        m.getSpent(),
        m.getRedeemed(),
        m.getPrepaid(),
        m.getSigned(),
        m.getSignature().isEmpty() ? "" : Translation.signature(m.getSignature(), "signature"),
        m.getInFlight(),
        m.getWanted(),
        m.hasLeavingAtUs() ? OptionalLong.of(m.getLeavingAtUs()) : OptionalLong.empty(),
        m.getNextMovement());
  }
}
