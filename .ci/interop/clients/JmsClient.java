import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import javax.jms.Connection;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Queue;
import javax.jms.Session;
import javax.jms.TemporaryQueue;
import javax.jms.TemporaryTopic;
import javax.jms.TextMessage;
import javax.jms.Topic;
import org.apache.qpid.jms.JmsConnectionFactory;

/**
 * Plays what programs do by the API of JMS, with Qpid JMS: JmsClient URL [PATTERN]. Each case has a connection and nodes of its
 * own. Prints a line for each case: the case, ok or FAIL, and why, with tabs between them. Ends with 1 if a case failed.
 */
public final class JmsClient {
    /** A case. */
    private interface Case {
        void play(Connection connection, String name) throws Exception;
    }

    private static final Map<String, Case> CASES = new LinkedHashMap<>();

    static {
        CASES.put("tx-send-commit", JmsClient::sentAndCommitted);
        CASES.put("tx-send-rollback", JmsClient::sentAndRolledBack);
        CASES.put("tx-receive-commit", JmsClient::receivedAndCommitted);
        CASES.put("tx-receive-rollback", JmsClient::receivedAndRolledBack);
        CASES.put("tx-move", JmsClient::moved);
        CASES.put("tx-session-closed", JmsClient::closed);
        CASES.put("selector", JmsClient::selector);
        CASES.put("browser", JmsClient::browser);
        CASES.put("topic", JmsClient::topic);
        CASES.put("durable-subscription", JmsClient::durableSubscription);
        CASES.put("shared-subscription", JmsClient::sharedSubscription);
        CASES.put("shared-durable-subscription", JmsClient::sharedDurableSubscription);
        CASES.put("temporary-queue", JmsClient::temporaryQueue);
        CASES.put("temporary-topic", JmsClient::temporaryTopic);
    }

    /** The time in which a message must come. */
    private static final long SOON = 10_000;

    public static void main(String[] arguments) {
        JmsConnectionFactory factory = new JmsConnectionFactory(arguments[0]);
        String pattern = arguments.length > 1 ? arguments[1] : ".*";
        boolean hasFailed = false;
        for (Map.Entry<String, Case> one : CASES.entrySet()) {
            if (!one.getKey().matches(pattern)) {
                continue;
            }
            String words = "";
            try (Connection connection = factory.createConnection()) {
                connection.setClientID("jms-" + one.getKey());
                connection.start();
                one.getValue().play(connection, "jms-" + one.getKey());
            } catch (Exception | AssertionError failure) {
                words = failure.toString().replaceAll("\\s+", " ");
                hasFailed = true;
            }
            System.out.println(one.getKey() + "\t" + (words.isEmpty() ? "ok" : "FAIL") + "\t" + words);
        }
        System.exit(hasFailed ? 1 : 0);
    }

    private static Session plain(Connection connection) throws JMSException {
        return connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
    }

    private static Session transacted(Connection connection) throws JMSException {
        return connection.createSession(true, Session.SESSION_TRANSACTED);
    }

    private static void same(String what, Object got, Object expected) {
        if (!Objects.equals(got, expected)) {
            throw new AssertionError(what + ": " + got + ", not " + expected);
        }
    }

    /** Receives the next message, which has this text. */
    private static Message take(MessageConsumer consumer, String text) throws JMSException {
        Message message = consumer.receive(SOON);
        same("the message", message == null ? null : ((TextMessage) message).getText(), text);
        return message;
    }

    /** Asks the broker whether there is a message, and finds none. */
    private static void none(MessageConsumer consumer) throws JMSException {
        Message message = consumer.receiveNoWait();
        same("the message", message == null ? null : ((TextMessage) message).getText(), null);
    }

    private static void sentAndCommitted(Connection connection, String name) throws JMSException {
        Session session = transacted(connection);
        Session other = plain(connection);
        Queue queue = session.createQueue(name);
        MessageConsumer consumer = other.createConsumer(queue);
        MessageProducer producer = session.createProducer(queue);
        producer.send(session.createTextMessage("one"));
        producer.send(session.createTextMessage("two"));
        none(consumer);
        session.commit();
        take(consumer, "one");
        take(consumer, "two");
        // The session goes on with another transaction.
        producer.send(session.createTextMessage("three"));
        session.commit();
        take(consumer, "three");
        none(consumer);
    }

    private static void sentAndRolledBack(Connection connection, String name) throws JMSException {
        Session session = transacted(connection);
        Queue queue = session.createQueue(name);
        MessageConsumer consumer = plain(connection).createConsumer(queue);
        MessageProducer producer = session.createProducer(queue);
        producer.send(session.createTextMessage("dropped"));
        session.rollback();
        none(consumer);
        producer.send(session.createTextMessage("kept"));
        session.commit();
        take(consumer, "kept");
        none(consumer);
    }

    private static void receivedAndCommitted(Connection connection, String name) throws JMSException {
        Session session = transacted(connection);
        Session other = plain(connection);
        Queue queue = session.createQueue(name);
        MessageProducer producer = other.createProducer(queue);
        producer.send(other.createTextMessage("one"));
        producer.send(other.createTextMessage("two"));
        MessageConsumer consumer = session.createConsumer(queue);
        take(consumer, "one");
        take(consumer, "two");
        session.commit();
        consumer.close();
        none(other.createConsumer(queue));
    }

    private static void receivedAndRolledBack(Connection connection, String name) throws JMSException {
        Session session = transacted(connection);
        Session other = plain(connection);
        Queue queue = session.createQueue(name);
        other.createProducer(queue).send(other.createTextMessage("job"));
        MessageConsumer consumer = session.createConsumer(queue);
        same("redelivered at first", take(consumer, "job").getJMSRedelivered(), false);
        session.rollback();
        Message again = take(consumer, "job");
        same("redelivered", again.getJMSRedelivered(), true);
        same("deliveries", again.getIntProperty("JMSXDeliveryCount"), 2);
        session.commit();
        none(consumer);
    }

    /** A message goes from one queue to the other in a transaction: after a rollback it is in the first, after a commit in the second. */
    private static void moved(Connection connection, String name) throws JMSException {
        Session session = transacted(connection);
        Session other = plain(connection);
        Queue from = session.createQueue(name + "-from");
        Queue to = session.createQueue(name + "-to");
        other.createProducer(from).send(other.createTextMessage("job"));
        MessageConsumer consumer = session.createConsumer(from);
        MessageProducer producer = session.createProducer(to);
        MessageConsumer result = other.createConsumer(to);
        take(consumer, "job");
        producer.send(session.createTextMessage("done"));
        session.rollback();
        none(result);
        take(consumer, "job");
        producer.send(session.createTextMessage("done"));
        session.commit();
        take(result, "done");
        none(result);
        none(consumer);
    }

    /** A session that is closed rolls back. */
    private static void closed(Connection connection, String name) throws JMSException {
        Session session = transacted(connection);
        Session other = plain(connection);
        Queue from = session.createQueue(name + "-from");
        Queue to = session.createQueue(name + "-to");
        other.createProducer(from).send(other.createTextMessage("job"));
        take(session.createConsumer(from), "job");
        session.createProducer(to).send(session.createTextMessage("done"));
        session.close();
        none(other.createConsumer(to));
        take(other.createConsumer(from), "job");
    }

    private static void selector(Connection connection, String name) throws JMSException {
        Session session = plain(connection);
        Queue queue = session.createQueue(name);
        MessageProducer producer = session.createProducer(queue);
        for (String color : new String[] {"red", "green", "blue"}) {
            TextMessage message = session.createTextMessage(color);
            message.setStringProperty("color", color);
            producer.send(message);
        }
        MessageConsumer some = session.createConsumer(queue, "color IN ('green', 'blue') AND JMSPriority = 4");
        take(some, "green");
        take(some, "blue");
        none(some);
        take(session.createConsumer(queue), "red");
    }

    private static void browser(Connection connection, String name) throws JMSException {
        Session session = plain(connection);
        Queue queue = session.createQueue(name);
        MessageProducer producer = session.createProducer(queue);
        producer.send(session.createTextMessage("one"));
        producer.send(session.createTextMessage("two"));
        StringBuilder seen = new StringBuilder();
        Enumeration<?> messages = session.createBrowser(queue).getEnumeration();
        while (messages.hasMoreElements()) {
            seen.append(((TextMessage) messages.nextElement()).getText()).append(' ');
        }
        same("seen", seen.toString(), "one two ");
        MessageConsumer consumer = session.createConsumer(queue);
        take(consumer, "one");
        take(consumer, "two");
        none(consumer);
    }

    /** All consumers of a topic get a message, but not one that wants none of its own connection. */
    private static void topic(Connection connection, String name) throws JMSException {
        Session session = plain(connection);
        Topic topic = session.createTopic(name);
        MessageConsumer first = session.createConsumer(topic);
        MessageConsumer second = session.createConsumer(topic);
        MessageConsumer notOwn = session.createConsumer(topic, null, true);
        session.createProducer(topic).send(session.createTextMessage("news"));
        take(first, "news");
        take(second, "news");
        none(notOwn);
    }

    /** A durable subscription gets what is sent while it has no consumer, until it is ended. */
    private static void durableSubscription(Connection connection, String name) throws JMSException {
        Session session = plain(connection);
        Topic topic = session.createTopic(name);
        session.createDurableSubscriber(topic, "subscription").close();
        MessageProducer producer = session.createProducer(topic);
        producer.send(session.createTextMessage("meanwhile"));
        MessageConsumer consumer = session.createDurableSubscriber(topic, "subscription");
        take(consumer, "meanwhile");
        none(consumer);
        consumer.close();
        producer.send(session.createTextMessage("again"));
        session.unsubscribe("subscription");
        consumer = session.createDurableSubscriber(topic, "subscription");
        none(consumer);
        consumer.close();
        session.unsubscribe("subscription");
        try {
            session.unsubscribe("subscription");
        } catch (JMSException none) {
            return;
        }
        throw new AssertionError("a subscription that has ended is ended again");
    }

    /** Two consumers share the messages of a topic, and another one has all of them. */
    private static void sharedSubscription(Connection connection, String name) throws JMSException {
        Session session = plain(connection);
        Topic topic = session.createTopic(name);
        MessageConsumer first = session.createSharedConsumer(topic, "work");
        MessageConsumer second = session.createSharedConsumer(topic, "work");
        MessageConsumer all = session.createConsumer(topic);
        MessageProducer producer = session.createProducer(topic);
        for (int number = 0; number < 10; number++) {
            producer.send(session.createTextMessage("job " + number));
        }
        for (int number = 0; number < 10; number++) {
            take(all, "job " + number);
        }
        int shared = 0;
        while (first.receiveNoWait() != null) {
            shared++;
        }
        while (second.receiveNoWait() != null) {
            shared++;
        }
        same("shared messages", shared, 10);
    }

    private static void sharedDurableSubscription(Connection connection, String name) throws JMSException {
        Session session = plain(connection);
        Topic topic = session.createTopic(name);
        MessageConsumer first = session.createSharedDurableConsumer(topic, "work");
        MessageConsumer second = session.createSharedDurableConsumer(topic, "work");
        second.close();
        first.close();
        MessageProducer producer = session.createProducer(topic);
        producer.send(session.createTextMessage("meanwhile"));
        MessageConsumer consumer = session.createSharedDurableConsumer(topic, "work");
        take(consumer, "meanwhile");
        none(consumer);
        consumer.close();
        session.unsubscribe("work");
        producer.send(session.createTextMessage("after the end"));
        consumer = session.createSharedDurableConsumer(topic, "work");
        none(consumer);
        consumer.close();
        session.unsubscribe("work");
    }

    /** An answer to a temporary queue, which is gone when it is deleted. */
    private static void temporaryQueue(Connection connection, String name) throws JMSException {
        Session session = plain(connection);
        Queue queue = session.createQueue(name);
        TemporaryQueue answers = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(answers);
        Message request = session.createTextMessage("ask");
        request.setJMSReplyTo(answers);
        session.createProducer(queue).send(request);
        Message asked = take(session.createConsumer(queue), "ask");
        session.createProducer(asked.getJMSReplyTo()).send(session.createTextMessage("answer"));
        take(consumer, "answer");
        consumer.close();
        String address = answers.getQueueName();
        answers.delete();
        try {
            session.createConsumer(session.createQueue(address));
        } catch (JMSException gone) {
            return;
        }
        throw new AssertionError("the temporary queue is still there");
    }

    private static void temporaryTopic(Connection connection, String name) throws JMSException {
        Session session = plain(connection);
        TemporaryTopic topic = session.createTemporaryTopic();
        MessageConsumer first = session.createConsumer(topic);
        MessageConsumer second = session.createConsumer(topic);
        session.createProducer(topic).send(session.createTextMessage("news"));
        take(first, "news");
        take(second, "news");
        first.close();
        second.close();
        topic.delete();
    }
}
