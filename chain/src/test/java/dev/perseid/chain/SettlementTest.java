package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Epoch;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.Payout;
import dev.perseid.core.Voucher;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// What fits into a settlement, and what a file may say.
class SettlementTest {
  private static final String SIGNATURE = "11".repeat(64) + "1b";

  private static Address address(int number) {
    return Address.of(ByteBuffer.allocate(20).putInt(16, number).array());
  }

  private static Settlement of(int byKey, int byContract, int payouts) {
    List<SignedVoucher> vouchers = new ArrayList<>();
    for (int i = 0; i < byKey + byContract; i++) {
      vouchers.add(new SignedVoucher(address(i + 1), 5, SIGNATURE, i >= byKey));
    }
    List<Due> dues = new ArrayList<>();
    for (int i = 0; i < payouts; i++) {
      dues.add(new Due(address(10_000 + i), 5));
    }
    return new Settlement(1, vouchers, 0, dues, dues, Address.ZERO, 0, Hash.ZERO);
  }

  @Test
  void whatDoesNotFitIntoOneTransactionIsRefused() {
    assertThat(of(1_200, 0, 200).vouchers()).hasSize(1_200);
    assertThatThrownBy(() -> of(1_201, 0, 0)).hasMessageContaining("too many vouchers");
    assertThat(of(1_000, 10, 0).vouchers()).hasSize(1_010);
    assertThatThrownBy(() -> of(1_001, 10, 0)).hasMessageContaining("count as 1201");
    assertThatThrownBy(() -> of(0, 0, 201)).hasMessageContaining("too many for one transaction");
    assertThatThrownBy(() ->
            new Settlement(
                1,
                List.of(
                    SignedVoucher.byKey(address(1), 5, SIGNATURE),
                    SignedVoucher.byKey(address(1), 6, SIGNATURE)),
                0,
                List.of(),
                List.of(),
                Address.ZERO,
                0,
                Hash.ZERO))
        .hasMessageContaining("two vouchers");
    assertThatThrownBy(() -> PayoutTree.of(List.of(new Due(address(1), 1), new Due(address(1), 2))))
        .hasMessageContaining("stands twice");
  }

  @Test
  void aFileSaysWhatIsWrongWithIt() throws ChainException {
    String good = of(2, 1, 3).toJson();
    assertThat(Settlement.ofJson(good)).isEqualTo(of(2, 1, 3));
    List<String[]> bad =
        List.of(
            new String[] {"nonsense", "not JSON"},
            new String[] {"[]", "'epoch' must be a whole number"},
            new String[] {good.replace("\"epoch\" : 1", "\"epoch\" : 0"), "epochs begin with 1"},
            new String[] {good.replace("\"epoch\" : 1", "\"epoch\" : 1.5"), "'epoch' must be"},
            new String[] {good.replace("\"cumulative\" : 5", "\"cumulative\" : -5"), "negative"},
            new String[] {
              good.replace("\"cumulative\" : 5", "\"cumulative\" : 99999999999999999999"),
              "'cumulative' must be"
            },
            new String[] {good.replace(SIGNATURE, "zz"), "hexadecimal"},
            new String[] {good.replace(SIGNATURE, "1234"), "has 65 bytes"},
            new String[] {good.replace("0x00000000", "0x0000000"), "is not an address"});
    for (String[] one : bad) {
      assertThatThrownBy(() -> Settlement.ofJson(one[0]))
          .isInstanceOfSatisfying(
              ChainException.class, e -> assertThat(e.kind()).isEqualTo(ChainException.Kind.INPUT))
          .hasMessageContaining(one[1]);
    }
  }

  @Test
  void whatAPoolClosedBecomesASettlement() {
    Key consumer = Lab.key(5);
    Money.Escrow money = new Money.Escrow(31_337, address(1), address(2), address(3));
    String signature =
        consumer.sign(Digests.voucher(31_337, address(1), consumer.address(), address(3), 900));
    Epoch epoch =
        new Epoch(
            4,
            List.of(
                new Voucher(consumer.address(), 900, signature),
                new Voucher(address(6), 100, "1234")),
            List.of(new Payout(address(7), 600, true), new Payout(address(8), 300, false)),
            77,
            new Hash(1, 2, 3, 4),
            1_000,
            0);
    Settlement s = Settlement.of(epoch, money, address(9));
    assertThat(s.vouchers())
        .containsExactly(
            SignedVoucher.byKey(consumer.address(), 900, signature),
            new SignedVoucher(address(6), 100, "1234", true));
    assertThat(s.payouts()).containsExactly(new Due(address(7), 600));
    assertThat(s.dues()).containsExactly(new Due(address(7), 600), new Due(address(8), 300));
    assertThat(s.commitment().log()).isEqualTo(address(9));
    assertThat(s.commitment().recordsSize()).isEqualTo(77);
    assertThat(s.leastEarned()).isEqualTo(1_000);
  }
}
