"""Methods of `polymarket-client` that are not exercised, each with its reason."""

from __future__ import annotations

_ON_CHAIN = "sends a transaction to the chain or to the relayer; the simulator has neither"
_COMBOS = "combos and their quotes (RFQ) are another product with hosts of its own"
_SOCIAL = "comments, sports and profiles are no part of a trading venue"
_RANKS = "statistics over all users of the real venue; a simulation has no such users"
_SESSION = "session keys live in the relayer, which is not simulated"
_LOCAL = "sends no request"
LEFT_OUT = {
    **dict.fromkeys(
        (
            "approve_erc20",
            "approve_erc1155_for_all",
            "execute_transaction",
            "get_trading_approvals_state",
            "is_gasless_ready",
            "merge_multiple_positions",
            "merge_positions",
            "redeem_positions",
            "setup_gasless_wallet",
            "setup_trading_approvals",
            "split_position",
            "transfer_erc20",
        ),
        _ON_CHAIN,
    ),
    **dict.fromkeys(
        (
            "accept_combo_quote",
            "execute_collateral_return_plan",
            "fetch_rfq_status",
            "list_combo_activity",
            "list_combo_markets",
            "list_combo_positions",
            "plan_collateral_return",
            "request_combo_quote",
            "wait_for_combo_fill",
        ),
        _COMBOS,
    ),
    **dict.fromkeys(
        (
            "get_comment_thread",
            "get_related_tag_resources",
            "get_related_tags",
            "get_sports",
            "get_sports_market_types",
            "list_comments",
            "list_comments_by_user_address",
            "list_teams",
        ),
        _SOCIAL,
    ),
    **dict.fromkeys(
        (
            "download_accounting_snapshot",
            "get_builder_volumes",
            "get_event_live_volume",
            "get_open_interests",
            "get_resolutions",
            "get_token_references",
            "get_trader_leaderboard_standing",
            "get_user_pnl",
            "get_user_stats",
            "get_user_volume",
            "list_biggest_winners",
            "list_builder_leaderboard",
            "list_market_holders",
            "list_trader_leaderboard",
        ),
        _RANKS,
    ),
    **dict.fromkeys(
        ("authorize_session_key", "fetch_session_keys", "revoke_session_key"), _SESSION
    ),
    **dict.fromkeys(
        ("environment", "wallet", "signer", "wallet_type", "credentials"), "no request"
    ),
}
