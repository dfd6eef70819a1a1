package dev.perseid.node;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.AuditPolicy;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Rates of audits, and the bodies of what audits ask.
final class AuditTermsTest {
  private static Model model(String name, String version) {
    return new Model(
        Address.ZERO,
        name,
        version,
        Hash.sha256(name.getBytes(UTF_8)),
        ModelTask.CHAT,
        "gguf",
        "q8_0",
        1,
        512,
        "MIT",
        0,
        0);
  }

  @Test
  void ratesAreOfAllModelsOfOneOrOfOneVersion() {
    AuditTerms terms =
        AuditTerms.USUAL
            .with("newcomer=100")
            .with("known=50, canary=7@me/chat")
            .with("repeat=1000@me/chat:2");
    assertThat(terms.of(model("other", "1"))).isEqualTo(new AuditPolicy(100, 10, 2, 2));
    assertThat(terms.of(model("me/chat", "1"))).isEqualTo(new AuditPolicy(100, 50, 2, 7));
    assertThat(terms.of(model("me/chat", "2"))).isEqualTo(new AuditPolicy(100, 10, 1_000, 2));
  }

  @Test
  void wrongRatesAreRefusedWithWhatToWrite() {
    wrong("newcomer", "'newcomer' is no rate: write e.g. newcomer=200");
    wrong("newcomer=-1", "is no rate");
    wrong("newcomer=1001", "between 0 and 1000 per mille, not 1001");
    wrong("newcomer=5,known=6", "newcomers are audited at least as often");
    wrong("canaries=5", "there is no rate 'canaries': write newcomer, known, repeat or canary");
    wrong("canary=5@", "names no model behind the @");
  }

  private static void wrong(String text, String message) {
    assertThatThrownBy(() -> AuditTerms.USUAL.with(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(message);
  }

  private static byte[] bytes(String json) {
    return json.replace('\'', '"').getBytes(UTF_8);
  }

  private static String text(Optional<byte[]> body) {
    return new String(body.orElseThrow(), UTF_8).replace('"', '\'');
  }

  @Test
  void questionsAreAskedInTheMannerOfAConsumerWithoutAWordOfIt() {
    byte[] like =
        bytes(
            "{'return_token_ids':true,'seed':5,'messages':[{'role':'user','content':'my secret'}],"
                + "'stream':true,'model':'me/m','user':'me','max_tokens':9000,'temperature':0.7,"
                + "'tools':[],'stop':'my'}");
    assertThat(text(AuditQuestion.body(like, "Hi?", false)))
        .isEqualTo(
            "{'messages':[{'role':'user','content':'Hi?'}],'stream':true,'model':'me/m',"
                + "'max_tokens':256,'temperature':0.7}");
    assertThat(text(AuditQuestion.body(like, "Hi?", true))).contains("'temperature':0}");
    byte[] plain = bytes("{'model':'m','messages':[]}");
    assertThat(text(AuditQuestion.body(plain, "Hi?", true)))
        .isEqualTo("{'model':'m','messages':[{'role':'user','content':'Hi?'}],'temperature':0}");
    assertThat(AuditQuestion.body(bytes("{"), "Hi?", true)).isEmpty();
    assertThat(AuditQuestion.body(bytes("{'prompt':'x'}"), "Hi?", true)).isEmpty();
    assertThat(AuditQuestion.model(like)).isEqualTo("me/m");
  }

  @Test
  void theMostTokensAreThoseThatAGatewayWouldSay() {
    assertThat(AuditQuestion.mostTokens(bytes("{'max_tokens':9}"), 512)).isEqualTo(9);
    assertThat(AuditQuestion.mostTokens(bytes("{'max_tokens':900}"), 512)).isEqualTo(512);
    assertThat(AuditQuestion.mostTokens(bytes("{'max_completion_tokens':8}"), 512)).isEqualTo(8);
    assertThat(AuditQuestion.mostTokens(bytes("{}"), 512)).isEqualTo(512);
    assertThat(AuditQuestion.mostTokens(bytes("{}"), 0))
        .isEqualTo(MarketLimits.AUDIT_ANSWER_TOKENS);
  }

  @Test
  void theSeedThatThePoolChoseIsTakenOutAndAConsumersIsNot() {
    assertThat(
            text(
                AuditQuestion.unseeded(
                    bytes("{'return_token_ids':true,'seed':-5,'model':'m','seed2':1}"))))
        .isEqualTo("{'model':'m','seed2':1}");
    assertThat(AuditQuestion.unseeded(bytes("{'return_token_ids':true,'model':'m','seed':5}")))
        .isEmpty();
    assertThat(AuditQuestion.unseeded(bytes("{'model':'m'}"))).isEmpty();
  }
}
