//! The shop's state and what can be done to it. Knows nothing of HTTP.

use std::collections::{HashMap, VecDeque};

use rand::RngExt;
use rand::rngs::StdRng;
use serde::Serialize;
use serde_json::{Value, json};

/// Number of products in the catalogue.
const PRODUCTS: u64 = 48;
/// Users that are remembered: a shop that is asked for hours takes no more memory than one that is asked for minutes.
const USERS_MAX: usize = 1 << 12;
/// Tokens of logins, and those of forms, likewise.
const TOKENS_MAX: usize = 1 << 15;
/// Orders of a user, likewise.
const ORDERS_MAX: usize = 64;
/// Lines of a cart; a further one takes the first one's place.
const CART_MAX: usize = 128;
const NAMES: [&str; 8] = [
    "Oak Chair",
    "Brass Lamp",
    "Wool Blanket",
    "Linen Shirt",
    "Copper Kettle",
    "Walnut Desk",
    "Clay Vase",
    "Steel Knife",
];

/// An article of the catalogue.
#[derive(Clone, Serialize)]
pub struct Product {
    pub id: u64,
    pub sku: String,
    pub name: String,
    pub price_cents: u64,
    pub currency: &'static str,
    pub stock: u64,
}

/// A line of a cart or an order.
#[derive(Clone, Serialize)]
pub struct Item {
    pub item_id: u64,
    pub product_id: u64,
    pub quantity: u64,
}

/// An order, as it is answered.
#[derive(Clone, Serialize)]
pub struct Order {
    pub order_id: u64,
    pub status: &'static str,
    pub total_cents: u64,
    pub items: Vec<Item>,
    pub created: String,
}

/// Somebody who registered.
pub struct User {
    pub id: u64,
    pub name: String,
    pub email: String,
    password: String,
    pub phone: Option<String>,
    pub birthday: Option<String>,
    pub newsletter: Option<Value>,
    pub cart_id: u64,
    pub cart: Vec<Item>,
    pub orders: Vec<Order>,
}

/// The handle of a logged-in user: counts them. Good for as long as nobody else registers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserRef(usize);

/// What was handed out, by token; the oldest is forgotten when there are many.
struct Tokens<T> {
    known: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Tokens<T> {
    fn new() -> Self {
        Tokens { known: HashMap::new(), order: VecDeque::new() }
    }

    fn insert(&mut self, token: String, value: T) {
        self.known.insert(token.clone(), value);
        self.order.push_back(token);
        if self.order.len() > TOKENS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// Everything the shop knows, in memory.
pub struct Shop {
    rng: StdRng,
    next_id: u64,
    pub products: Vec<Product>,
    users: VecDeque<User>,
    /// Users that were forgotten.
    gone: usize,
    by_email: HashMap<String, UserRef>,
    tokens: Tokens<UserRef>,
    csrf: Tokens<()>,
}

impl Shop {
    /// A shop whose ids and tokens nobody can foresee.
    pub fn open() -> Shop {
        let mut rng: StdRng = rand::make_rng();
        let next_id = rng.random_range(100_000..900_000);
        let mut shop = Shop {
            rng,
            next_id,
            products: Vec::new(),
            users: VecDeque::new(),
            gone: 0,
            by_email: HashMap::new(),
            tokens: Tokens::new(),
            csrf: Tokens::new(),
        };
        shop.products = (0..PRODUCTS).map(|n| shop.product(n)).collect();
        shop
    }

    fn product(&mut self, n: u64) -> Product {
        let id = self.id();
        Product {
            id,
            sku: format!("SKU-{:06}", self.rng.random_range(0..1_000_000)),
            name: format!("{} {}", NAMES[(n % NAMES.len() as u64) as usize], n + 1),
            price_cents: 500 + n * 137,
            currency: "EUR",
            stock: 3 + n % 40,
        }
    }

    /// A fresh id: rising, with gaps.
    pub fn id(&mut self) -> u64 {
        self.next_id += self.rng.random_range(1..100);
        self.next_id
    }

    /// A fresh token.
    fn token(&mut self) -> String {
        format!("{:032x}", self.rng.random::<u128>())
    }

    /// Registers somebody; none when the e-mail is taken.
    pub fn register(&mut self, name: &str, email: &str, password: &str) -> Option<UserRef> {
        if self.by_email.contains_key(email) {
            return None;
        }
        let (id, cart_id) = (self.id(), self.id());
        if self.users.len() == USERS_MAX
            && let Some(oldest) = self.users.pop_front()
        {
            self.gone += 1;
            self.by_email.remove(&oldest.email);
        }
        let user = UserRef(self.gone + self.users.len());
        self.users.push_back(User {
            id,
            name: name.into(),
            email: email.into(),
            password: password.into(),
            phone: None,
            birthday: None,
            newsletter: None,
            cart_id,
            cart: Vec::new(),
            orders: Vec::new(),
        });
        self.by_email.insert(email.into(), user);
        Some(user)
    }

    /// Who has these credentials.
    pub fn authenticate(&self, email: &str, password: &str) -> Option<UserRef> {
        let user = *self.by_email.get(email)?;
        (self.user(user).password == password).then_some(user)
    }

    /// A new token for a user.
    pub fn grant(&mut self, user: UserRef) -> String {
        let token = self.token();
        self.tokens.insert(token.clone(), user);
        token
    }

    /// Whose token this is.
    pub fn bearer(&self, token: &str) -> Option<UserRef> {
        self.tokens.known.get(token).copied().filter(|user| user.0 >= self.gone)
    }

    /// Makes a token invalid.
    pub fn revoke(&mut self, token: &str) {
        self.tokens.known.remove(token);
    }

    /// A token for one form.
    pub fn form_token(&mut self) -> String {
        let token = self.token();
        self.csrf.insert(token.clone(), ());
        token
    }

    /// Whether a form's token was handed out and not used yet.
    pub fn redeem_form_token(&mut self, token: &str) -> bool {
        self.csrf.known.remove(token).is_some()
    }

    /// A user's record.
    pub fn user(&self, user: UserRef) -> &User {
        &self.users[user.0 - self.gone]
    }

    /// A user's record, to change it.
    pub fn user_mut(&mut self, user: UserRef) -> &mut User {
        &mut self.users[user.0 - self.gone]
    }

    /// Puts something into the cart; none when there is no such product.
    pub fn add_item(&mut self, user: UserRef, product_id: u64, quantity: u64) -> Option<Item> {
        self.find(product_id)?;
        let item = Item { item_id: self.id(), product_id, quantity };
        let cart = &mut self.user_mut(user).cart;
        cart.push(item.clone());
        cart.drain(..cart.len().saturating_sub(CART_MAX));
        Some(item)
    }

    /// Turns the cart into an order; none when it is empty.
    pub fn order(&mut self, user: UserRef, created: String) -> Option<Order> {
        if self.user(user).cart.is_empty() {
            return None;
        }
        let total_cents = self.total(&self.user(user).cart);
        let order_id = self.id();
        let user = self.user_mut(user);
        let order = Order { order_id, status: "placed", total_cents, items: std::mem::take(&mut user.cart), created };
        user.orders.push(order.clone());
        user.orders.drain(..user.orders.len().saturating_sub(ORDERS_MAX));
        Some(order)
    }

    /// The product with this id.
    pub fn find(&self, id: u64) -> Option<&Product> {
        self.products.iter().find(|p| p.id == id)
    }

    /// What the items cost.
    pub fn total(&self, items: &[Item]) -> u64 {
        items
            .iter()
            .filter_map(|i| Some(self.find(i.product_id)?.price_cents.saturating_mul(i.quantity)))
            .fold(0, u64::saturating_add)
    }
}

impl User {
    /// The profile, as it is answered.
    pub fn profile(&self) -> Value {
        json!({"user_id": self.id, "name": self.name, "email": self.email, "phone": self.phone, "birthday": self.birthday, "newsletter": self.newsletter})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_long_ago_is_forgotten_and_the_rest_stays() {
        let mut shop = Shop::open();
        let user = |n: usize| format!("user{n}@mail.example");
        let mut tokens = Vec::new();
        for n in 0..USERS_MAX + 10 {
            let new = shop.register("Zoe", &user(n), "secret").unwrap();
            tokens.push(shop.grant(new));
            shop.form_token();
        }
        assert_eq!((shop.users.len(), shop.by_email.len()), (USERS_MAX, USERS_MAX));
        for n in [0, 9, 10, USERS_MAX + 9] {
            let known = shop.authenticate(&user(n), "secret").map(|found| shop.user(found).email.clone());
            assert_eq!(known, (n > 9).then(|| user(n)));
            let bearer = shop.bearer(&tokens[n]).map(|found| shop.user(found).email.clone());
            assert_eq!(bearer, (n > 9).then(|| user(n)));
        }
        let last = shop.bearer(tokens.last().unwrap()).unwrap();
        let product = shop.products[0].id;
        for _ in 0..ORDERS_MAX + 5 {
            for _ in 0..CART_MAX + 5 {
                assert!(shop.add_item(last, product, 1).is_some());
            }
            assert_eq!(shop.order(last, String::new()).unwrap().items.len(), CART_MAX);
        }
        assert_eq!(shop.user(last).orders.len(), ORDERS_MAX);
        (0..TOKENS_MAX).for_each(|_| drop((shop.grant(last), shop.form_token())));
        assert!(shop.bearer(&tokens[20]).is_none());
        for tokens in [shop.tokens.order.len(), shop.tokens.known.len(), shop.csrf.order.len(), shop.csrf.known.len()] {
            assert_eq!(tokens, TOKENS_MAX);
        }
    }
}
