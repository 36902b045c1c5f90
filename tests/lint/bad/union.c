/* Flagged: union */
union dlop_pun {
    unsigned word;
    unsigned char bytes[4];
};
